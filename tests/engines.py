"""Every engine, for tests that hold for each: a parameter with the marker of what it needs."""

import pytest

from ftjob.engine.open import AVAILABLE

ENGINES = tuple(pytest.param(name, marks=getattr(pytest.mark, name)) for name in AVAILABLE)
