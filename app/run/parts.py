"""The processes of Aura. Each can also be started alone, as docs/ARCHITECTURE.md says."""

from __future__ import annotations

from app.run.supervisor import Part

WEB = Part("web", "app.run.web:serve_pages")
# A job that crashes its worker, or a periodic task that crashes the scheduler, ends no other work.
WORKER = Part("worker", "jobs.worker:work", is_replaced=True)
SCHEDULER = Part("scheduler", "jobs.schedule:run_schedule", is_replaced=True)
