"""Pictures that a bundle is asked about: files, folders, URLs; and its answers."""
