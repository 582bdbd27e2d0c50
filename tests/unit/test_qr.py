"""The path of a QR code draws exactly the modules of the code."""

from __future__ import annotations

import re

import segno

from app.qr import make_qr_code

ADDRESS = "otpauth://totp/Aura:ana%40agency.example?secret=JBSWY3DPEHPK3PXP&issuer=Aura"


def test_the_path_draws_every_dark_module_and_no_other() -> None:
    code = make_qr_code(ADDRESS)
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", code.path)
    assert "".join(f"M{x} {y}h{there}v1h-{back}z" for x, y, there, back in runs) == code.path
    assert all(there == back for _, _, there, back in runs)
    drawn = {(int(x) + i, int(y)) for x, y, width, _ in runs for i in range(int(width))}
    expected = segno.make(ADDRESS, error="m", micro=False)
    dark = {
        (x, y)
        for y, row in enumerate(expected.matrix_iter(border=4))
        for x, module in enumerate(row)
        if module
    }
    assert drawn == dark
    assert code.size == expected.symbol_size(border=4)[0]
