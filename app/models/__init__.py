"""What Aura remembers. Each model guards its own row; nothing here knows Flask, queues or HTTP."""
