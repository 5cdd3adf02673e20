"""Which labels the pictures carry: the paper's prevalences, in plausible company."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, pairwise

from toolkit.paper.results import IMAGES, LABELS, POSITIVES

Labels = tuple[str, ...]

# pictures of several labels, per 20,000: what goes with the labels before it, and how often; round
# figures of our own that follow how such labels keep company
_COMPANY = {
    "people portrait": "1000 male, 230 male female, 60, 35 baby male, 20 baby female",
    "people": "330 male female, 10 baby",
    "clouds": "55 people, 35 people male, 18 people female, 8 people portrait male, "
    "8 people portrait female, 36 tree, 36 sea, 25 river, 14 car, 14 night, 8 bird, 6 flower, "
    "4 river tree",
    "night": "35 people, 22 people male, 8 people female, 22 tree, 10 car",
    "sea": "14 people, 22 people male, 10 people female, 6 people male female, 4 tree",
    "river": "4 people, 6 people male, 10 tree",
    "tree": "16 people, 8 people male, 6 people female, 18 flower, 14 bird",
    "car": "14 people, 14 people male, 8 people female",
    "dog": "5 people, 16 people male, 12 people female, 8 people portrait male, "
    "11 people portrait female",
    "flower": "5 people male, 6 people female, 16 people portrait female",
    "bird": "5 people, 6 people male",
}
# whatever a label still lacks after that goes to its plainest picture, in this order
_PLAINEST: dict[str, Labels] = {
    "baby": ("baby", "people", "portrait"),
    "portrait": ("female", "people", "portrait"),
    "female": ("female", "people"),
    "male": ("male", "people"),
}
_PLAINEST |= {label: (label,) for label in LABELS if label not in _PLAINEST}


def scenes(images: int) -> list[Labels]:
    """Return the labels of each of ``images`` pictures, like beside like.

    Every label has at least three positives from 150 images on.
    """
    rates: Counter[Labels] = Counter()
    for label, others in _COMPANY.items():
        for count, *names in map(str.split, others.split(", ")):
            rates[tuple(sorted([*label.split(), *names]))] += int(count)
    for label, plainest in _PLAINEST.items():
        rates[plainest] += POSITIVES[label] - sum(n for kind, n in rates.items() if label in kind)
    rates[()] = IMAGES - rates.total()
    # rounding the running total keeps the error of a run of kinds below one picture, so kinds that
    # share their rarest label stand together
    kinds = sorted(rates, key=lambda kind: (min((POSITIVES[x] for x in kind), default=0), kind))
    ends = [round(end * images / IMAGES) for end in accumulate(rates[k] for k in kinds)]
    counts = {kind: b - a for kind, (a, b) in zip(kinds, pairwise([0, *ends]), strict=True)}
    for label, plainest in _PLAINEST.items():
        there = sum(n for kind, n in counts.items() if label in kind)
        lacking = max(0, min(3, images // 50) - there)
        counts[plainest] += lacking
        counts[()] -= lacking
    return [kind for kind, count in counts.items() for _ in range(count)]
