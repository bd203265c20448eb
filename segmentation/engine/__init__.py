"""Where rows and fits run when one machine is too small: an existing Spark Connect engine."""
