"""Studies of the field, repeated: a module each."""
