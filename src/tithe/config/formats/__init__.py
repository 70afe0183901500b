"""Formats: documented config formats, each translated into a `Run`.

A format is a file with two names. `Config`, a `Section`, has its documented keys with their defaults: by them a config
file is recognised. `translate(config, file)` returns the equivalent native settings as `config.parse` takes them;
`file` is the path of the config, for paths relative to it.

It may have two more. `UNUSED` has the rules of settings without effect; `NAMES` says how messages name a native setting
or a command in this format, see `config.own_names`.
"""
