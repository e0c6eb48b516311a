"""The grammar of COQL that the simulator understands, as a tree.

`select a, B.c from Module[#view] where <condition> [order by a [asc|desc], ...] [limit [offset,] count]`
Source: Zoho CRM API v8, "COQL overview" and "COQL limitations".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from simulators.zoho.jsonvalue import Json

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.|'')*')|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])|(?P<word>[A-Za-z_$][\w.$]*(?:\#\d+)?)"
    r"|(?P<sign><=|>=|!=|<>|[=<>(),*]))"
)
# Inside quotes a quote is doubled ("FAQs on COQL API", a staff post of the vendor); a backslash is taken as well.
_ESCAPED: Final = re.compile(r"(?:\\|'(?='))(.)")
SIGNS: Final = {"=", "!=", "<>", "<", "<=", ">", ">="}
_CLAUSES: Final = {"from", "where", "order", "limit", "offset", "group"}


class QuerySyntaxError(Exception):
    """The query does not follow the grammar: what it stumbled over, and in which clause."""

    def __init__(self, near: str, clause: str) -> None:
        super().__init__(near)
        self.near = near
        self.clause = clause


@dataclass(frozen=True, slots=True)
class Token:
    """A word, sign, number or text of the query."""

    kind: Literal["text", "number", "word", "sign", "end"]
    value: str

    @property
    def lower(self) -> str:
        """The token without regard to case, as keywords are compared."""
        return self.value.lower()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`column operator value`; the values of `in` and `between` are lists, of `is` null or `not null`."""

    column: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by `and` or `or`."""

    operator: Literal["and", "or"]
    parts: tuple[Condition, ...]


Condition = Comparison | Junction


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query."""

    columns: tuple[str, ...]
    module: str
    view_id: str | None
    where: Condition
    order: tuple[tuple[str, Literal["asc", "desc"]], ...] = ()
    offset: int = 0
    limit: int = 200


def tokens_of(text: str) -> list[Token]:
    """The query in tokens; QuerySyntaxError for a character that has no place in one."""
    tokens: list[Token] = []
    position = 0
    text = text.rstrip().rstrip(";").rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise QuerySyntaxError(text[position : position + 10].strip(), "")
        kind = match.lastgroup
        value = match.group(kind or 0)
        if kind == "text":
            tokens.append(Token("text", _ESCAPED.sub(r"\1", value[1:-1])))
        elif kind == "number":
            tokens.append(Token("number", value))
        elif kind == "word":
            tokens.append(Token("word", value))
        else:
            tokens.append(Token("sign", value))
        position = match.end()
    return tokens


@dataclass(slots=True)
class Parser:
    """Reads one query; `pairs` refuses three conditions in a row without brackets, `views` allows `Module#view`."""

    tokens: list[Token]
    pairs: bool = True
    views: bool = True
    position: int = 0
    clause: str = "select"
    _end: Token = field(default_factory=lambda: Token("end", ""))

    def query(self) -> Query:
        """The whole query; QuerySyntaxError when anything is missing or left over."""
        self._word("select")
        columns = self._columns()
        self.clause = "from"
        self._word("from")
        module, _, view_id = self._name().partition("#")
        if view_id and not self.views:
            raise QuerySyntaxError(f"#{view_id}", self.clause)
        self.clause = "where"
        self._word("where")
        where = self._condition()
        order = self._order()
        offset, limit = self._limit()
        if self._peek().kind != "end":
            raise self._syntax_error()
        return Query(tuple(columns), module, view_id or None, where, tuple(order), offset, limit)

    def _columns(self) -> list[str]:
        columns = [self._name()]
        while self._skip(","):
            columns.append(self._name())
        return columns

    def _condition(self) -> Condition:
        parts = [self._part()]
        operators: list[str] = []
        while self._peek().lower in {"and", "or"} and self._peek().kind == "word":
            operators.append(self._next().lower)
            parts.append(self._part())
        if not operators:
            return parts[0]
        if len(set(operators)) > 1 or (self.pairs and len(operators) > 1):
            raise QuerySyntaxError(operators[-1], self.clause)
        return Junction("and" if operators[0] == "and" else "or", tuple(parts))

    def _part(self) -> Condition:
        if self._skip("("):
            inner = self._condition()
            self._sign(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        column = self._name()
        operator = self._next()
        if operator.kind == "sign" and operator.value in SIGNS:
            return Comparison(column, "!=" if operator.value == "<>" else operator.value, self._value())
        match operator.lower:
            case "is":
                negated = self._skip_word("not")
                self._word("null")
                return Comparison(column, "is", "not null" if negated else "null")
            case "like":
                return Comparison(column, "like", self._value())
            case "in":
                return Comparison(column, "in", self._list())
            case "between":
                return Comparison(column, "between", self._range())
            case "not":
                return self._negated(column)
            case _:
                raise QuerySyntaxError(operator.value, self.clause)

    def _negated(self, column: str) -> Comparison:
        operator = self._next().lower
        if operator == "in":
            return Comparison(column, "not in", self._list())
        if operator == "like":
            return Comparison(column, "not like", self._value())
        if operator == "between":
            return Comparison(column, "not between", self._range())
        raise QuerySyntaxError(operator, self.clause)

    def _list(self) -> list[Any]:
        self._sign("(")
        values = [self._value()]
        while self._skip(","):
            values.append(self._value())
        self._sign(")")
        return values

    def _range(self) -> list[Any]:
        low = self._value()
        self._word("and")
        return [low, self._value()]

    def _order(self) -> list[tuple[str, Literal["asc", "desc"]]]:
        if not self._skip_word("order"):
            return []
        self.clause = "order by"
        self._word("by")
        order: list[tuple[str, Literal["asc", "desc"]]] = []
        while True:
            column = self._name()
            direction: Literal["asc", "desc"] = "desc" if self._skip_word("desc") else "asc"
            if direction == "asc":
                self._skip_word("asc")
            order.append((column, direction))
            if not self._skip(","):
                return order

    def _limit(self) -> tuple[int, int]:
        if not self._skip_word("limit"):
            return 0, 200
        self.clause = "limit"
        first = self._number()
        if self._skip(","):
            return first, self._number()
        if self._skip_word("offset"):
            return self._number(), first
        return 0, first

    def _value(self) -> Json:
        token = self._next()
        if token.kind == "text":
            return token.value
        if token.kind == "number":
            return float(token.value) if "." in token.value else int(token.value)
        if token.kind == "word" and token.lower in {"true", "false"}:
            return token.lower == "true"
        raise QuerySyntaxError(token.value, self.clause)

    def _number(self) -> int:
        token = self._next()
        if token.kind != "number" or "." in token.value or token.value.startswith("-"):
            raise QuerySyntaxError(token.value, self.clause)
        return int(token.value)

    def _name(self) -> str:
        token = self._next()
        if token.kind != "word" or token.lower in _CLAUSES:
            raise QuerySyntaxError(token.value, self.clause)
        return token.value

    def _word(self, word: str) -> None:
        if not self._skip_word(word):
            raise self._syntax_error()

    def _sign(self, sign: str) -> None:
        if not self._skip(sign):
            raise self._syntax_error()

    def _skip_word(self, word: str) -> bool:
        return self._take("word", word)

    def _skip(self, sign: str) -> bool:
        return self._take("sign", sign)

    def _take(self, kind: str, value: str) -> bool:
        token = self._peek()
        if token.kind != kind or token.lower != value:
            return False
        self.position += 1
        return True

    def _peek(self) -> Token:
        return self.tokens[self.position] if self.position < len(self.tokens) else self._end

    def _next(self) -> Token:
        token = self._peek()
        self.position += 1
        return token

    def _syntax_error(self) -> QuerySyntaxError:
        return QuerySyntaxError(self._peek().value, self.clause)


def comparisons(condition: Condition) -> list[Comparison]:
    """Every comparison in the condition."""
    if isinstance(condition, Comparison):
        return [condition]
    return [leaf for part in condition.parts for leaf in comparisons(part)]
