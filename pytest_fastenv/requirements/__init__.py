"""Read what a user asked for: requirements files, project metadata, groups, inline metadata, local projects, URLs.

`pytest_fastenv.requirements.sources.read_sources` turns all sources together into one
`pytest_fastenv.model.request.Request`. Nothing here asks an index or runs a build.
"""
