"""The connection doctor: what stands between Aura and a site, step by step, with evidence.

`examine` looks and judges, `asking` queues examinations, `rounds` carries them out.
"""
