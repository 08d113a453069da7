"""The doors of an engine, by theme: each public method leads to the module of its verb, imported when first used."""
