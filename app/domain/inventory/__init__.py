"""What sites report, and when they are asked."""
