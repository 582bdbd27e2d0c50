"""The WSGI entry point: one application from the surroundings, nothing else."""

from app import create_app
from app.config import Config

app = create_app(Config.from_env())
