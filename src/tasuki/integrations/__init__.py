"""tasuki inside other people's frameworks and clouds. Each module can be imported without the one that it is for."""
