"""Places as somebody types them into a page."""

from ftjob.errors import BadDataError
from jobspec.grammar import LONGEST_LOCATION, GrammarError, check_location
from jobspec.problems import one_line


def place_of_data(text: str) -> str:
    """Return the path or URI of a dataset as it was typed. Raises BadDataError for what can be neither."""
    place = text.strip()
    if not place:
        raise BadDataError("data: is missing: give the path or URI of a folder of pictures, or of an LMDB")
    try:
        if len(place) > LONGEST_LOCATION:
            raise GrammarError(f"has more than {LONGEST_LOCATION} characters", "shorten it")
        return check_location(place)
    except GrammarError as error:
        raise BadDataError(f"data: {one_line(place)}: {error}") from None
