"""Archives, read with suspicion: what is refused here is refused before anything of it is written."""
