"""Which options each type of sink has, one file a type: tables that the config reads. Pure, without third parties."""
