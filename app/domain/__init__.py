"""The rules of the house, one module per thing the agency does. No Flask in here."""
