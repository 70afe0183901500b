"""Heads that are not of tithe: those of the library's own classes."""
