"""What a person or a machine may look at while it runs."""
