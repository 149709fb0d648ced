"""A queue behind SSH: the way there, what a scheduler understands, the agent that works while nobody is logged in."""
