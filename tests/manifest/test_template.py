"""Templates and conditions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.digest import Json
from pipeline.manifest.model import AxisValue
from pipeline.manifest.template import Expression, Template, TemplateFault, context, look_up, shown


def value(key: str, text: str = "", raw: Json = None, **fields: Json) -> AxisValue:
    text = text or key
    return AxisValue(key=key, slug=key, text=text, raw=text if raw is None else raw, fields=fields)


SEEN = context(
    {
        "product": value("SKU-1", title="Cup", price="12", tags=["a", "b"], active=True, note=None, deep={"x": 1}),
        "scene": value("marble", "white marble", mood="warm"),
        "colour": value("red"),
        "size": value("007", raw=7),
        "ratio": value("1.10", raw=1.1),
        "glossy": value("false", raw=False),
    },
    {"keep": "Keep it."},
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain words", "plain words"),
        ("{{ product }}/{{ product.key }}", "SKU-1/SKU-1"),
        (
            "{{ product.title }} on {{ scene }} ({{ scene.key }}, {{ scene.mood }})",
            "Cup on white marble (marble, warm)",
        ),
        ("{{ scene.text }}", "white marble"),
        ("{{ size }} {{ size * 2 }} {{ ratio }} {{ glossy }}", "007 14 1.10 false"),
        ("{{ text.keep }} {{ text['keep'] }}", "Keep it. Keep it."),
        ("[{{ product.note }}|{{ product.active }}|{{ product.tags }}]", "[|true|a, b]"),
        ("{{ product.title | lower }}{{ colour | upper }}", "cupRED"),
        ("{{ product.tags | join('+') }} {{ product.tags[0] }} {{ product.deep.x }}", "a+b a 1"),
        ("{{ product.price | float + 1 }}", "13.0"),
        ("{% if scene == 'marble' %}cold{% else %}warm{% endif %}", "cold"),
        ("{% for tag in product.tags %}{{ loop.index }}{{ tag }}{% endfor %}", "1a2b"),
        ("{{ product.ean | default('none') }}", "none"),
        ("{{ 'x' if product.ean is defined else 'y' }}", "y"),
        ("{{ colour ~ '-' ~ size }}", "red-007"),
        ("{{ product.title | truncate(2) }} {{ 2.5 | round(1) }} {{ product.tags | tojson }}", 'C… 2.5 ["a", "b"]'),
        ("{{ product.tags | map('upper') | join }} {{ product.tags | select('equalto', 'a') | list }}", "AB a"),
        ("{# a note #}a\r\nb\n", "a\nb"),
    ],
)
def test_a_template_prints_what_people_mean(source: str, expected: str) -> None:
    assert Template(source).render(SEEN) == expected
    assert Template(source).render_with_jinja(SEEN) == expected


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ colours }}", "nothing is called 'colours' here"),
        ("{{ product.titel }}", "product 'SKU-1' has no field 'titel'"),
        ("{{ text.kepe }}", "there is no 'kepe' here"),
        ("{{ product.title.x }}", "there is no 'x' in str values"),
        ("{{ product.deep.y }}", "there is no 'y' here"),
        ("{{ product.deep.items }}", "there is no 'items' here"),
        ("{{ product.price + 1 }}", "a cell of a table is text"),
        ("{{ 1 // 0 }}", "by zero"),
    ],
)
def test_what_is_missing_or_impossible_is_one_line(source: str, said: str) -> None:
    with pytest.raises(TemplateFault, match=r"^[^\n]+$") as fault:
        Template(source).render(SEEN)
    assert said in str(fault.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ colour.upper() }}",
        "{{ range(10) }}",
        "{% set x = 1 %}",
        "{% macro f() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% import 'x' as x %}",
        "{% filter upper %}a{% endfilter %}",
        "{% with a=1 %}{% endwith %}",
        "{% block a %}{% endblock %}",
        "{% for a in product %}{% for b in product %}x{% endfor %}{% endfor %}",
        "{% for a in product %}{% if a %}{% for b in product %}x{% endfor %}{% endif %}{% endfor %}",
        "{% for a in product recursive %}{% endfor %}",
        "{{ colour | format }}",
        "{{ colour | random }}",
        "{{ colour | nope }}",
        "{{ colour is nope }}",
        "{{ colour",
        "{% if colour %}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    ],
)
def test_code_calls_and_nested_loops_are_refused_when_the_template_is_read(source: str) -> None:
    with pytest.raises(TemplateFault):
        Template(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ 'x%1000000000d' % 1 }}",
        "{{ 2 ** 2 }}",
        "{{ 999999999 * 999999999 * 999999999 }}",
        "{{ product.title" + " | list | string" * 20 + " }}",
        "{{ product.tags" + " | tojson" * 40 + " }}",
        "{{ colour" + " | replace('e', 'eeeeeeeeee')" * 20 + " }}",
        ("{{ product.tags | join('" + "x" * 31000 + "') }}") * 3,
        "{{ 1.5 | round(1000000) }}",
        "{% for a in '" + "x" * 20000 + "' %}{{ product.title }}{% endfor %}",
        "{{ product.__class__ }}",
        "{{ product['__class__'] }}",
        "{{ text.__init__ }}",
    ],
)
def test_nothing_can_be_made_to_grow_or_to_reach_an_object(source: str) -> None:
    with pytest.raises(TemplateFault):
        Template(source).render(SEEN)


def test_a_text_over_32_000_characters_is_refused_on_both_ways() -> None:
    template = Template("{{ colour }}" * 10)
    assert template.plain is not None
    for render in (template.render, template.render_with_jinja):
        assert render({"colour": "x" * 3200}) == "x" * 32_000
        with pytest.raises(TemplateFault, match="more than 32,000 characters"):
            render({"colour": "x" * 3201})


_WORDS = st.text(st.characters(exclude_characters="{}%#\n\r", exclude_categories=["Cs"]), max_size=12)
_NAMES = st.sampled_from(["colour", "product", "size", "text", "missing"])
_FIELDS = st.sampled_from(["key", "text", "title", "note", "count", "flag", "keep", "items", "missing"])
_FIELD_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), _WORDS, st.lists(_WORDS, max_size=3)
)
_PIECES = st.one_of(
    _WORDS,
    _NAMES.map(lambda name: f"{{{{ {name} }}}}"),
    st.tuples(_NAMES, _FIELDS).map(lambda names: f"{{{{ {names[0]}.{names[1]} }}}}"),
)


@st.composite
def _seen(draw: st.DrawFn) -> dict[str, object]:
    fields = st.dictionaries(st.sampled_from(["title", "note", "count", "flag", "text", "items"]), _FIELD_VALUES)
    raws = st.one_of(_WORDS.filter(bool), st.integers(), st.booleans(), st.floats(allow_nan=False))
    values = {
        name: AxisValue(key=draw(_WORDS), slug="s", text=draw(_WORDS), raw=draw(raws), fields=draw(fields))
        for name in ("colour", "product", "size")
    }
    return context(values, draw(st.dictionaries(st.just("keep"), _WORDS)))


def _outcome(make: object) -> str:
    assert callable(make)
    try:
        return f"made: {make()}"
    except TemplateFault as fault:
        return f"failed: {fault}"


@settings(max_examples=150, deadline=None)
@given(st.lists(_PIECES, max_size=6).map("".join), _seen())
def test_joining_the_plain_parts_gives_what_jinja_gives(source: str, seen: dict[str, object]) -> None:
    template = Template(source)
    parts = template.plain
    assert parts is not None

    def joined() -> str:
        return "".join(part if isinstance(part, str) else shown(look_up(part, seen)) for part in parts)

    by_jinja = _outcome(lambda: template.render_with_jinja(seen))
    assert _outcome(joined) == by_jinja
    assert _outcome(lambda: template.render(seen)) == by_jinja


def test_a_template_tells_its_names_and_the_fields_it_needs() -> None:
    template = Template("{{ a.x }} {{ b['y'] }} {{ c }} {{ d.z | default('') }} {% if e.w is defined %}{% endif %}")
    assert template.names == {"a", "b", "c", "d", "e"}
    assert template.attributes == {"a": {"x"}, "b": {"y"}}
    assert Template("{% for p in q.r %}{{ p.s }}{% endfor %}").attributes == {"q": {"r"}}


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("", ()),
        ("a", ("a",)),
        ("{{ a }}-{{ a.b }}", (("a",), "-", ("a", "b"))),
        ("{{ a.b.c }}", None),
        ("{{ a | upper }}", None),
        ("{{ 'a' }}", None),
        ("{% if a %}{% endif %}", None),
    ],
)
def test_only_simple_substitutions_are_plain(source: str, plain: tuple[object, ...] | None) -> None:
    assert Template(source).plain == plain


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("colour == 'red'", True),
        ("colour != 'red'", False),
        ("size > 1", True),
        ("size == 7 and size == '007'", True),
        ("size in [7, 8]", True),
        ("ratio < 2", True),
        ("glossy", False),
        ("not glossy", True),
        ("glossy == false", True),
        ("product.title in ['Cup', 'Mug']", True),
        ("scene.key == 'marble'", True),
        ("scene == 'marble'", True),
        ("scene == 'white marble'", True),
        ("scene in ['marble']", True),
        ("scene == 'linen'", False),
        ("'white' in scene", True),
        ("product == 'SKU-1'", True),
        ("product.active == true", True),
        ("product.ean is defined", False),
        ("product.tags | length == 2", True),
        ("product.price | int > 10", True),
    ],
)
def test_conditions_compare_as_people_write_them(source: str, expected: bool) -> None:
    assert Expression(source).evaluate(SEEN) is expected


@pytest.mark.parametrize("source", ["", "colour ==", "colour == 'a' b", "colour.upper()", "a }}{{ b", "colour | nope"])
def test_a_condition_that_cannot_be_read_is_refused_at_once(source: str) -> None:
    with pytest.raises(TemplateFault):
        Expression(source)


@pytest.mark.parametrize("source", ["product.nope == 1", "nope", "product.price > 10", "1 / 0 == 1"])
def test_a_condition_that_cannot_be_told_is_a_fault(source: str) -> None:
    with pytest.raises(TemplateFault):
        Expression(source).evaluate(SEEN)
