"""tasuki inside other frameworks and clouds. A module can be imported without its framework."""
