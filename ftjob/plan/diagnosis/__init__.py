"""Why a training failed, from its log and its curves."""
