"""Whether segments predict anything, and what they are worth: validity, room, tests, budgets."""
