"""The WSGI entry point: one application from the surroundings, nothing else."""

from app.config import Config
from app.factory import create_app

app = create_app(Config.from_env())
