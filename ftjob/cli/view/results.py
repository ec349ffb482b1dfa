"""What was made: bundles that were verified."""

from typing import TYPE_CHECKING

from rich.console import RenderableType

from ftjob.cli.view.markup import Text

if TYPE_CHECKING:
    from ftjob.bundle.verify import Verification


def verified(verification: "Verification") -> RenderableType:
    """Return whether a bundle answers the same, and how well it does on its golden images."""
    found = verification
    same = (
        f"{found.same_answers} of {found.images} golden images answered the same; scores differ by at most "
        f"{found.largest_difference:.1e} of the largest ({found.tolerance:g} in {found.precision} on "
        f"{found.device} is allowed), and by {found.together_difference:.1e} with other images in the batch"
    )
    right = f"{found.right_answers} of {found.images} golden images answered correctly"
    if found.images and not found.right_answers:
        return Text.assemble(
            (f"{same}\n", "green" if found.ok else "red"),
            (f"! {right}: look at the accuracy of its run, and do not trust its answers", "yellow"),
        )
    return Text(f"{same}\n{right}", "green" if found.ok else "red")
