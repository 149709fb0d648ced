"""Apply records to the tables of the projection."""
