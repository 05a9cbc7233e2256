"""The process's limit on open files, raised as far as it may be."""

import resource


def raise_descriptor_limit(wanted: int) -> int:
    """Raise the soft limit to `wanted` where the hard limit allows, never lower it, and return what is granted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft
