"""Database models. Each protects its own rows and knows neither Flask nor queues nor HTTP."""
