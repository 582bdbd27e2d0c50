"""Connection diagnostics: find out, step by step and with evidence, what blocks a site.

`examine` looks and judges, `scheduling` queues examinations, `runs` carries them out.
"""
