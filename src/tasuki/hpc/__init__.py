"""A queue behind SSH and two factors: the way there, what a scheduler understands, and the agent that works while nobody is logged in."""
