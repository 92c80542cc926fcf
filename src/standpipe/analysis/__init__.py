"""For people who want to look: records as rows, SQL over them, and what is made of it."""
