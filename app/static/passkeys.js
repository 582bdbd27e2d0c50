// Passkeys: get a challenge from Aura, let the browser answer it, and send the answer with the form.
// Without this script the forms stay hidden, and the page offers codes instead.
"use strict";

(() => {
  const WORDS = {
    NotAllowedError: "The passkey was not used: it was canceled, or took too long. Try again, or choose another way.",
    InvalidStateError: "This device already has a passkey for your account.",
    SecurityError: "The browser does not allow passkeys at this address. Open Aura at its own address.",
    NotSupportedError: "This device cannot create a passkey that Aura accepts. Try another device.",
  };
  const OTHER = "The passkey could not be used. Reload the page, then try again.";

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const ids = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const challenge = async (form) => {
    const token = new FormData();
    token.set("csrf_token", form.elements.csrf_token.value);
    const answer = await fetch(form.dataset.passkey, { method: "POST", body: token });
    if (!answer.ok || answer.redirected) throw new Error(`${answer.status}`);
    return answer.json();
  };

  const use = async (options) => {
    const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: ids(options.allowCredentials) };
    const found = await navigator.credentials.get({ publicKey });
    const { authenticatorData, clientDataJSON, signature, userHandle } = found.response;
    const response = {
      authenticatorData: text(authenticatorData),
      clientDataJSON: text(clientDataJSON),
      signature: text(signature),
    };
    if (userHandle) response.userHandle = text(userHandle);
    return { id: found.id, rawId: text(found.rawId), type: found.type, response };
  };

  const create = async (options) => {
    const publicKey = {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: ids(options.excludeCredentials),
    };
    const made = await navigator.credentials.create({ publicKey });
    const { attestationObject, clientDataJSON } = made.response;
    const response = { attestationObject: text(attestationObject), clientDataJSON: text(clientDataJSON) };
    return { id: made.id, rawId: text(made.rawId), type: made.type, response };
  };

  const send = async (form) => {
    const note = form.querySelector("[data-passkey-problem]");
    const button = form.querySelector("button");
    note.textContent = "";
    button.disabled = true;
    try {
      const options = await challenge(form);
      const answer = await (options.user ? create(options) : use(options));
      form.querySelector("[data-passkey-answer]").value = JSON.stringify(answer);
      form.submit();
    } catch (problem) {
      note.textContent = WORDS[problem.name] || OTHER;
      button.disabled = false;
    }
  };

  if (!window.PublicKeyCredential) return;
  document.querySelectorAll("form[data-passkey]").forEach((form) => {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  });
  document.querySelectorAll("[data-without-passkeys]").forEach((note) => { note.hidden = true; });
})();
