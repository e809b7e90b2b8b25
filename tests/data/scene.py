# SPDX-License-Identifier: Apache-2.0
"""What is in a scene, and sentences that truly say so.

scene_draw() draws a place, light, weather and a few things from a seed; captions()
describes them. render.py draws the same scene as pixels.

Standard library only, and of it only random.Random(seed).random(), whose values Python
promises to keep: the same seed gives the same text on every machine. The default tokenizer
is trained on these texts, so the captions of a seed should stay what they are.
"""

import random
from dataclasses import dataclass, field

COLOURS = {
    "red": (0.70, 0.03, 0.03),
    "orange": (0.88, 0.24, 0.02),
    "yellow": (0.86, 0.66, 0.04),
    "green": (0.10, 0.46, 0.12),
    "turquoise": (0.07, 0.56, 0.54),
    "blue": (0.06, 0.18, 0.62),
    "purple": (0.34, 0.10, 0.50),
    "pink": (0.88, 0.30, 0.46),
    "white": (0.88, 0.87, 0.84),
    "black": (0.035, 0.035, 0.04),
    "brown": (0.20, 0.09, 0.04),
    "grey": (0.42, 0.42, 0.42),
}

# The surfaces a plain body can have: finishes (a shiny red ball), then stuffs (a red
# metal ball).
FINISHES = ("matte", "shiny", "striped")
MATERIALS = FINISHES + ("metal", "marble", "wooden")


@dataclass(frozen=True)
class Kind:
    """A kind of thing: its words, and how wide it is for a height of 1."""

    one: str
    many: str
    width: float
    coloured: bool = True
    surface: bool = False  # may be of any of MATERIALS


KINDS = {
    "ball": Kind("ball", "balls", 1.0, surface=True),
    "cube": Kind("cube", "cubes", 1.6, surface=True),
    "cylinder": Kind("cylinder", "cylinders", 0.7, surface=True),
    "cone": Kind("cone", "cones", 0.9, surface=True),
    "pyramid": Kind("pyramid", "pyramids", 1.4, surface=True),
    "fir": Kind("fir tree", "fir trees", 0.6, coloured=False),
    "tree": Kind("leafy tree", "leafy trees", 0.8, coloured=False),
    "house": Kind("house", "houses", 1.35),
    "tower": Kind("round tower", "round towers", 0.5),
    "snowman": Kind("snowman", "snowmen", 0.6, coloured=False),
    "rock": Kind("rock", "rocks", 1.5, coloured=False),
    "balloon": Kind("hot-air balloon", "hot-air balloons", 0.8),
}


@dataclass(frozen=True)
class Place:
    where: tuple  # each completes "a ball ..."
    noun: str
    kinds: tuple
    backgrounds: tuple = ("",)
    indoor: bool = False


PLAIN = ("ball", "cube", "cylinder", "cone", "pyramid")
PLACES = {
    "meadow": Place(
        ("in a meadow", "on the grass"),
        "meadow",
        ("fir", "tree", "house", "ball", "rock", "tower", "balloon"),
        ("", "hills", "mountains"),
    ),
    "desert": Place(
        ("in a sandy desert", "on the sand"),
        "desert",
        ("pyramid", "rock", "tower", "ball", "balloon", "cone"),
        ("", "hills", "mountains"),
    ),
    "lake": Place(
        ("on a calm lake", "on still water"),
        "lake",
        ("ball", "cone", "rock", "balloon"),
        ("hills", "mountains"),
    ),
    "snow": Place(
        ("in a snowy field", "in the snow"),
        "snowy landscape",
        ("fir", "house", "snowman", "rock", "tower", "balloon"),
        ("", "hills", "mountains"),
    ),
    "square": Place(
        ("on a paved square", "on stone tiles"),
        "town square",
        ("house", "tower", "tree", "ball", "cone"),
        ("", "hills"),
    ),
    "studio": Place(
        ("on a checkered floor", "on a floor of black and white tiles"),
        "studio",
        PLAIN,
        indoor=True,
    ),
    "table": Place(
        ("on a wooden table", "on a table of wooden planks"), "table", PLAIN, indoor=True
    ),
    # Nothing but the things: what an image with an alpha channel shows.
    "cutout": Place(
        ("on a plain white background", "isolated on white"),
        "white background",
        PLAIN + ("snowman", "fir", "house"),
    ),
}

TIMES = {
    "dawn": ("at dawn", "early in the morning", "just before sunrise"),
    "noon": ("at noon", "in the middle of the day", "in bright daylight"),
    "afternoon": ("in the afternoon", "on a late afternoon", "in warm afternoon light"),
    "sunset": ("at sunset", "as the sun goes down", "in the low light of the evening"),
    "night": ("at night", "in the moonlight", "under the stars"),
}

WEATHERS = {
    "clear": ("under a clear sky", "on a cloudless day"),
    "clouds": ("under scattered clouds", "beneath a sky full of white clouds"),
    "overcast": ("under an overcast sky", "on a grey, cloudy day"),
    "fog": ("in thin fog", "in the mist"),
}

SIZES = {"small": 0.55, "": 0.8, "large": 1.1}
NUMBERS = ("no", "one", "two", "three", "four", "five")


@dataclass(frozen=True)
class Thing:
    kind: str
    colour: str
    material: str  # one of MATERIALS, or "" for kinds without a choice
    size: str
    x: float  # across the frame: -1 is its left edge, 1 its right edge
    depth: float  # 0 front, 1 back


@dataclass
class Scene:
    seed: int
    place: str
    time: str
    weather: str
    background: str  # "", "hills" or "mountains"
    light: str  # the side it comes from: "left" or "right"
    things: list = field(default_factory=list)


class Dice:
    """Choices from the one generator call whose values are fixed for all time."""

    def __init__(self, seed):
        self._random = random.Random(seed)

    def real(self, low, high):
        return low + (high - low) * self._random.random()

    def pick(self, items):
        return items[int(self._random.random() * len(items))]

    def chance(self, p):
        return self._random.random() < p


def scene_draw(seed, place=None):
    """The scene of this seed; `place` fixes that much of it."""
    dice = Dice(seed)
    drawn_place = dice.pick([p for p in PLACES if p != "cutout"])
    place = place or drawn_place
    rules = PLACES[place]
    outdoor = not rules.indoor and place != "cutout"
    time = dice.pick(list(TIMES)) if outdoor else "noon"
    scene = Scene(
        seed=seed,
        place=place,
        time=time,
        weather=(
            dice.pick([w for w in WEATHERS if time != "night" or w == "clear"])
            if outdoor
            else "clear"
        ),
        background=dice.pick(rules.backgrounds),
        light=dice.pick(("left", "right")),
    )
    n = dice.pick((1, 2, 2, 3, 3, 4))
    for i in range(n):
        scene.things.append(_thing_draw(dice, rules, n, i))
    return scene


def _thing_draw(dice, rules, n, i):
    kind = dice.pick(rules.kinds)
    left = -1 + 2 * i / n
    return Thing(
        kind=kind,
        colour=dice.pick(list(COLOURS)) if KINDS[kind].coloured else "",
        material=dice.pick(MATERIALS) if KINDS[kind].surface else "",
        size=dice.pick(list(SIZES)),
        x=dice.real(left + 0.7 / n, left + 1.3 / n),
        depth=dice.real(0, 1),
    )


def captions(scene, n, width=0, height=0, grey=False):
    """`n` (at most 6) different captions; without colours for a grey picture."""
    words = _Words(scene, Dice("captions of %d" % scene.seed), grey)
    styles = (_tags, _short, _sentence, _positions, _story, _count, _alt)
    found = []
    while len(found) < n:
        text = words.pick(styles)(words, width, height)
        if text not in found:
            found.append(text)
    return found


def _article(phrase):
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _list(phrases):
    if len(phrases) == 1:
        return phrases[0]
    return ", ".join(phrases[:-1]) + " and " + phrases[-1]


def _capital(text):
    return text[0].upper() + text[1:]


class _Words:
    """One scene's words: the same fact comes out in one of its phrasings."""

    def __init__(self, scene, dice, grey):
        self.scene, self.grey, self.pick = scene, grey, dice.pick
        self.rules = PLACES[scene.place]
        self.outdoor = not self.rules.indoor and scene.place != "cutout"

    def adjectives(self, thing, detail):
        colour = "" if self.grey else thing.colour
        if not detail:
            return [colour] if colour else []
        before = thing.material in FINISHES
        words = (
            thing.size,
            thing.material if before else "",
            colour,
            "" if before else thing.material,
        )
        return [w for w in words if w]

    def thing(self, thing, detail):
        return " ".join(self.adjectives(thing, detail) + [KINDS[thing.kind].one])

    def counted(self, things, detail, numbers=NUMBERS):
        """Equal things together, left to right: ["a red ball", "two fir trees"]."""
        groups = {}
        for thing in sorted(things, key=lambda t: t.x):
            groups.setdefault(self.thing(thing, detail), []).append(thing)
        out = []
        for one, alike in groups.items():
            adjectives = self.adjectives(alike[0], detail)
            many = " ".join(adjectives + [KINDS[alike[0].kind].many])
            out.append(
                _article(one)
                if len(alike) == 1
                else "%s %s" % (numbers[len(alike)], many)
            )
        return out

    def things_there(self, detail):
        """Everything and where it is: "a red ball in a meadow and a balloon above"."""
        air = [t for t in self.scene.things if t.kind == "balloon"]
        ground = [t for t in self.scene.things if t.kind != "balloon"]
        if not ground:
            return "%s above a %s" % (_list(self.counted(air, detail)), self.rules.noun)
        text = "%s %s" % (
            _list(self.counted(ground, detail)),
            self.pick(self.rules.where),
        )
        if air:
            text += ", %s %s" % (
                _list(self.counted(air, detail)),
                self.pick(("above", "in the air")),
            )
        return text

    def when(self):
        return (
            self.pick(TIMES[self.scene.time])
            if self.outdoor
            else "in the light of a lamp"
        )

    def weather(self):
        if self.scene.time == "night":
            return "under a starry sky"
        return self.pick(WEATHERS[self.scene.weather])

    def background(self):
        return self.pick(
            {
                "": ("",),
                "hills": (", with low hills in the background", ", hills behind"),
                "mountains": (
                    ", with mountains in the distance",
                    ", snow-capped mountains behind",
                ),
            }[self.scene.background]
        )

    def side(self, thing):
        if thing.x < -0.25:
            return self.pick(("on the left", "to the left", "at the left side"))
        if thing.x > 0.25:
            return self.pick(("on the right", "to the right", "at the right side"))
        return self.pick(("in the middle", "in the centre"))


def _tags(words, width, height):
    tags = [words.thing(t, False) for t in words.scene.things] + [words.rules.noun]
    if words.outdoor:
        tags += [words.scene.time, words.scene.weather]
    return words.pick((", ", "; ", " | ")).join(dict.fromkeys(tags))


def _short(words, width, height):
    return _capital(words.things_there(False)) + words.pick((".", ""))


def _sentence(words, width, height):
    text = words.things_there(True)
    if words.outdoor:
        text += " " + words.pick(
            (words.when(), words.weather(), words.when() + " " + words.weather())
        )
        text += words.background()
    kind = (
        "black-and-white picture"
        if words.grey
        else words.pick(("picture", "rendered image", "rendering"))
    )
    return words.pick(("A %s of %s." % (kind, text), _capital(text) + "."))


def _positions(words, width, height):
    parts = [
        "%s %s" % (_article(words.thing(t, True)), words.side(t))
        for t in sorted(words.scene.things, key=lambda t: t.x)
    ]
    return _capital(_list(parts)) + words.pick(
        (".", "; everything is %s." % words.rules.where[0])
    )


def _story(words, width, height):
    opening = words.pick(
        ("We see", "The picture shows", "There is nothing here but", "You can see")
    )
    text = "%s %s%s." % (opening, words.things_there(True), words.background())
    if words.outdoor:
        text += " It was made %s, %s." % (words.when(), words.weather())
    return (
        text
        + " "
        + words.pick(
            (
                "The light comes from the %s.",
                "Light falls in from the %s.",
                "Everything is lit from the %s.",
            )
        )
        % words.scene.light
    )


def _count(words, width, height):
    n = len(words.scene.things)
    digits = [str(i) for i in range(len(NUMBERS))]
    noun = words.pick(("thing", "object"))
    return "%d %s%s: %s" % (
        n,
        noun,
        "" if n == 1 else "s",
        _list(words.counted(words.scene.things, False, digits)),
    )


def _alt(words, width, height):
    text = "Scene no. %d: %s" % (words.scene.seed, words.things_there(False))
    if width and height:
        text += words.pick((" (%d x %d pixels)", ", %dx%d", " - %d by %d")) % (
            width,
            height,
        )
    return text
