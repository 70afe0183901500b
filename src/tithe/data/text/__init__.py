"""Texts: from a file to cleaned, labelled rows."""
