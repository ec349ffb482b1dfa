"""What tests of the worker share."""

from tests.worker.stages_here import make as make
from tests.worker.stages_here import undisturbed as undisturbed
