"""A real Kubernetes of one node, for tests: from Debian's packages and source, in namespaces of its own.

    python -m tests.cluster.bed up                # three minutes on a new machine, then twelve seconds
    export KUBECONFIG=$(python -m tests.cluster.bed kubeconfig)
    python -m tests.cluster.bed load controller   # ftjob's image, built and given to the node
    python -m tests.cluster.bed exec COMMAND      # in the cluster's network
    python -m tests.cluster.bed down

**What there is.** etcd, kube-apiserver (RBAC, node authorizer, service account tokens), kube-scheduler,
kube-controller-manager, kubelet with containerd and runc, a bridge network, a device plugin for two GPUs.
**What there is not.** DNS, kube-proxy (Services have no addresses but `kubernetes` itself), enforcement of
NetworkPolicy and Pod Security, and everything in the API that is younger than 1.20.

**Who is reached from where.** Every cluster has a network namespace and two networks (`places.Addresses`).
The node is 10.199.N.1, for pods, for servers started by `in_namespace` and, over a wire (a veth pair) with a
route, for the host: one kubeconfig holds everywhere, and the host reaches pods by their addresses too. Pods
reach 10.199.N.1 and the host's end of the wire, 10.198.N.1, and nothing else.

**How it goes away.** All of a cluster's processes live in one PID namespace and all of its mounts in one
mount namespace, below one process (`inside`) which ends with its keeper, and the keeper with the last user of
the cluster; a user that is killed counts as gone (`session`). What then could be left, control groups and a
folder, is removed by the next start (`leftovers`).

It needs Linux with root's capabilities and cgroups of version 1 or 2; only version 1 was tried.
"""
