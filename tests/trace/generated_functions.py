"""Random Python functions of control statements over integers; none raises or runs for long."""

from hypothesis import strategies as st

NAMES = ("a", "b", "c", "d", "e")
FUEL = 40


@st.composite
def functions(draw):
    """The lines of `def f(say, a, b, c)`; `say` is called on the way."""
    lines = ["def f(say, a, b, c):", "    d = e = 1", f"    fuel = {FUEL}"]
    lines += draw(_Writer(draw).block(1, False, draw(st.integers(2, 6))))
    if draw(st.booleans()):
        lines.append("    return a, b, c, d, e")
    return lines


class _Writer:
    def __init__(self, draw):
        self.draw = draw
        self.count = 0

    def block(self, depth, in_loop, size):
        """A strategy of one value, so that what is drawn shows in one place."""
        lines = []
        for _ in range(size):
            lines += self.statement(depth, in_loop)
        return st.just(lines)

    def body(self, depth, in_loop):
        lines = []
        for _ in range(self.draw(st.integers(1, 3))):
            lines += self.statement(depth + 1, in_loop)
        return lines

    def number(self, depth=0):
        kinds = ["name", "name", "constant"]
        if depth < 2:
            kinds += ["sum", "choice", "bool"]
        kind = self.draw(st.sampled_from(kinds))
        if kind == "name":
            return self.draw(st.sampled_from(NAMES))
        if kind == "constant":
            return str(self.draw(st.integers(-3, 5)))
        one, two = self.number(depth + 1), self.number(depth + 1)
        if kind == "sum":
            return f"({one} {self.draw(st.sampled_from('+-'))} {two})"
        if kind == "choice":
            return f"({one} if {self.test(depth + 1)} else {two})"
        return f"({one} {self.draw(st.sampled_from(['and', 'or']))} {two})"

    def test(self, depth=0):
        kind = self.draw(st.sampled_from(["<", "==", ">=", "chain", "and", "or", "not", "in"]))
        one, two = self.number(depth + 1), self.number(depth + 1)
        if kind == "chain":
            return f"{one} < {two} <= {self.number(depth + 1)}"
        if kind in ("and", "or") and depth < 2:
            return f"({self.test(depth + 1)} {kind} {self.test(depth + 1)})"
        if kind == "not" and depth < 2:
            return f"not {self.test(depth + 1)}"
        if kind == "in":
            return f"{one} in (0, {two})"
        return f"{one} {kind if kind in ('<', '==', '>=') else '!='} {two}"

    def statement(self, depth, in_loop):
        pad = "    " * depth
        kinds = ["assign", "assign", "augment", "say", "temporary", "return"]
        if depth < 5:
            kinds += ["if", "if", "if", "for", "while", "forever", "try", "match"]
        if in_loop:
            kinds += ["break", "continue", "if jump", "if jump"]
        kind = self.draw(st.sampled_from(kinds))
        name = self.draw(st.sampled_from(NAMES))
        if kind == "assign":
            return [f"{pad}{name} = {self.number()}"]
        if kind == "augment":
            return [f"{pad}{name} += {self.number()}"]
        if kind == "say":
            return [f"{pad}say(({self.number()}, {self.number()}))"]
        if kind == "temporary":
            own = f"t{self.draw(st.integers(0, 2))}"
            return [f"{pad}{own} = {self.number()}", f"{pad}{name} = {own} + 1"]
        if kind == "return":
            # Mostly somewhere inside.
            if depth == 1:
                return [f"{pad}say({self.number()})"]
            return [f"{pad}return {self.draw(st.sampled_from(['', 'a', 'd + e']))}"]
        if kind in ("break", "continue"):
            return [pad + kind]
        if kind == "if jump":
            jump = self.draw(st.sampled_from(["break", "continue", "return b"]))
            return [f"{pad}if {self.test()}:", f"{pad}    {jump}"]
        if kind == "if":
            lines = [f"{pad}if {self.test()}:", *self.body(depth, in_loop)]
            for _ in range(self.draw(st.integers(0, 2))):
                lines += [f"{pad}elif {self.test()}:", *self.body(depth, in_loop)]
            return lines + self.otherwise(depth, in_loop)
        if kind == "for":
            self.count += 1
            head = f"{pad}for i{self.count} in range({self.draw(st.integers(0, 4))}):"
            first = f"{pad}    {name} = i{self.count}"
            return [head, first, *self.body(depth, True), *self.otherwise(depth, in_loop)]
        if kind == "while":
            lines = [f"{pad}while fuel > 0 and {self.test()}:", f"{pad}    fuel -= 1"]
            return lines + self.body(depth, True) + self.otherwise(depth, in_loop)
        if kind == "forever":
            stop = self.draw(st.sampled_from(["break", "return c"]))
            lines = [f"{pad}while True:", f"{pad}    fuel -= 1"]
            lines += [f"{pad}    if fuel < 0:", f"{pad}        {stop}"]
            return lines + self.body(depth, True)
        if kind == "try":
            lines = [f"{pad}try:", *self.body(depth, in_loop), f"{pad}finally:"]
            return lines + [f"{pad}    say({name})"]
        lines = [f"{pad}match {self.number()}:", f"{pad}    case 0 | 1:"]
        lines += self.body(depth + 1, in_loop)
        lines += [f"{pad}    case m if {self.test()}:", f"{pad}        {name} = m"]
        return [*lines, f"{pad}    case _:", *self.body(depth + 1, in_loop)]

    def otherwise(self, depth, in_loop):
        if self.draw(st.booleans()):
            return []
        return ["    " * depth + "else:", *self.body(depth, in_loop)]
