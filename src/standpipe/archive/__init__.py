"""Reading back what the objects sink has archived: nodes, their segments in order, their bytes."""
