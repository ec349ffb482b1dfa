"""A run's folder as submitter, worker and controller share it: status, snapshots, leases, transfer."""
