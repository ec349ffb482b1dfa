"""The picture of a learning-rate range test: loss by rate."""

from ftjob.report.chart import Axis, Chart, Curve
from ftjob.report.templating import templates
from ftjob.tuning.rate_curve import RateCurve

HEADROOM = 1.1
"""Times the highest smoothed loss, where the vertical axis ends; single losses may be above."""


def rate_svg(title: str, curve: RateCurve) -> str:
    """Return the SVG of a curve: its losses, smoothed and single, and the suggested rate."""
    points = curve.points
    highest = max((point.smoothed for point in points), default=0.0)
    chart = Chart(
        title,
        (
            Curve("smoothed loss", tuple((point.rate, point.smoothed) for point in points)),
            Curve("loss", tuple((point.rate, point.loss) for point in points)),
            _suggested(curve, HEADROOM * highest),
        ),
        top=HEADROOM * highest or None,
        axis=Axis("learning rate", is_logarithmic=True),
    )
    return templates().get_template("rate_curve.svg").render(chart=chart)


def _suggested(curve: RateCurve, top: float) -> Curve:
    """Return the upright line at the suggested rate; one without points where there is none."""
    rate = curve.suggestion
    return Curve(f"suggested {rate:g}", ((rate, 0.0), (rate, top))) if rate else Curve("suggested", ())
