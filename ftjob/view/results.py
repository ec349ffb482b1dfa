"""What was made: bundles that were verified."""

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from ftjob.bundle.verify import Verification


def verified(verification: "Verification") -> Text:
    """Say whether a bundle answers the same."""
    what = f"{verification.same_answers} of {verification.images} golden images answered the same"
    close = f"largest difference between scores {verification.largest_difference:.1e} of the largest score"
    return Text(f"{what}; {close}", "green" if verification.ok else "red")
