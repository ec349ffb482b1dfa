"""What a submitter does: start runs here or on a cluster, find them again, follow, stop and bill them."""
