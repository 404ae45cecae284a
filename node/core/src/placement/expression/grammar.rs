//! From text to an expression. The grammar is that of ECS's guide; each error says at which character, counted from 1.
//!
//! ```text
//! expr      := and_expr { ("||" | "or") and_expr }
//! and_expr  := unary { ("&&" | "and") unary }
//! unary     := { "!" | "not" } ( "(" expr ")" | term )
//! term      := subject ("exists" | "!exists" | "not_exists") | subject op argument
//! argument  := literal | quoted | "[" (literal | quoted) { "," (literal | quoted) } "]"
//! ```

use winnow::ascii::multispace0;
use winnow::combinator::{alt, not, opt, preceded, terminated};
use winnow::error::{ErrMode, ParserError};
use winnow::prelude::*;
use winnow::token::{one_of, take_while};

use super::value::{self, Pattern, Value, Version};
use super::{Comparison, EXPRESSION_MAX_CHARS, Node, Subject, Test};

/// Parentheses in one expression: the parser calls itself for each.
const PARENTHESES_MAX: usize = 64;
/// Values in one list.
const VALUES_MAX: usize = 200;

/// A text that is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid expression at character {position}: {what}.")]
pub struct ExpressionError {
    /// Counted from 1.
    pub position: usize,
    /// What is wrong there.
    pub what: String,
}

/// What is wrong; where is what has not been read yet.
#[derive(Clone, Debug)]
struct Wrong(String);

type Parsed<T> = Result<T, ErrMode<Wrong>>;

impl<'a> ParserError<&'a str> for Wrong {
    type Inner = Self;

    fn from_input(_: &&'a str) -> Self {
        Self("this was not expected".into())
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

fn wrong<T>(what: impl Into<String>) -> Parsed<T> {
    Err(ErrMode::Cut(Wrong(what.into())))
}

pub(super) fn parse(text: &str) -> Result<Node, ExpressionError> {
    let at = |offset: usize, what: String| ExpressionError {
        position: text[..offset].chars().count() + 1,
        what,
    };
    if let Some((offset, _)) = text.char_indices().nth(EXPRESSION_MAX_CHARS) {
        let what = format!("it has more than {EXPRESSION_MAX_CHARS} characters");
        return Err(at(offset, what));
    }
    if let Some((offset, _)) = text.match_indices('(').nth(PARENTHESES_MAX) {
        let what = format!("it has more than {PARENTHESES_MAX} parentheses");
        return Err(at(offset, what));
    }
    let mut rest = text;
    let place = |rest: &str| text.len() - rest.len();
    match preceded(multispace0, any_of).parse_next(&mut rest) {
        Ok(node) if rest.is_empty() => Ok(node),
        Ok(_) => Err(at(
            place(rest),
            "\"and\", \"or\" or the end was expected".into(),
        )),
        Err(error) => {
            let Wrong(what) = error.into_inner().expect("the whole input is at hand");
            Err(at(place(rest), what))
        }
    }
}

fn any_of(input: &mut &str) -> Parsed<Node> {
    let mut nodes = vec![all_of(input)?];
    while opt(token(alt(("||", word("or")))))
        .parse_next(input)?
        .is_some()
    {
        nodes.push(all_of(input)?);
    }
    Ok(one_or(nodes, Node::Any))
}

fn all_of(input: &mut &str) -> Parsed<Node> {
    let mut nodes = vec![unary(input)?];
    while opt(token(alt(("&&", word("and")))))
        .parse_next(input)?
        .is_some()
    {
        nodes.push(unary(input)?);
    }
    Ok(one_or(nodes, Node::All))
}

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    if nodes.len() == 1 {
        nodes.swap_remove(0)
    } else {
        many(nodes)
    }
}

fn unary(input: &mut &str) -> Parsed<Node> {
    let mut is_negated = false;
    while opt(token(alt(("!", word("not")))))
        .parse_next(input)?
        .is_some()
    {
        is_negated = !is_negated;
    }
    let node = if opt(token("(")).parse_next(input)?.is_some() {
        let node = any_of(input)?;
        if opt(token(")")).parse_next(input)?.is_none() {
            return wrong("\")\" was expected");
        }
        node
    } else {
        term(input)?
    };
    Ok(if is_negated {
        Node::Not(Box::new(node))
    } else {
        node
    })
}

fn term(input: &mut &str) -> Parsed<Node> {
    let subject = subject(input)?;
    let start = *input;
    let operator = operator(input)?;
    if !subject.takes(operator) {
        *input = start;
        return wrong(format!("{} does not take this operator", subject.name()));
    }
    let test = match operator {
        Operator::Exists => Test::Exists,
        Operator::NotExists => Test::NotExists,
        Operator::Compare(comparison) => Test::Compare(comparison, one_value(input, &subject)?),
        Operator::In => Test::In(values(input, &subject)?),
        Operator::NotIn => Test::NotIn(values(input, &subject)?),
        Operator::Matches => Test::Matches(pattern(input)?),
        Operator::NotMatches => Test::NotMatches(pattern(input)?),
    };
    Ok(Node::Term(subject, test))
}

fn subject(input: &mut &str) -> Parsed<Subject> {
    let plain = alt((
        word("agentConnected").value(Subject::AgentConnected),
        word("agentVersion").value(Subject::AgentVersion),
        word("ec2InstanceId").value(Subject::Ec2InstanceId),
        word("registeredAt").value(Subject::RegisteredAt),
        word("runningTasksCount").value(Subject::RunningTasksCount),
        word("task:group").value(Subject::TaskGroup),
    ));
    let name = take_while(1..=128, |c: char| {
        c.is_ascii_alphanumeric() || "-_./\\".contains(c)
    });
    let attribute =
        preceded("attribute:", name).map(|name: &str| Subject::Attribute(name.to_owned()));
    let found = opt(token(alt((plain, attribute)))).parse_next(input)?;
    found.map_or_else(
        || {
            wrong(
                "a subject was expected: agentConnected, agentVersion, ec2InstanceId, registeredAt, runningTasksCount, \
                 task:group or attribute:NAME",
            )
        },
        Ok,
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Exists,
    NotExists,
    Compare(Comparison),
    In,
    NotIn,
    Matches,
    NotMatches,
}

fn operator(input: &mut &str) -> Parsed<Operator> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let signs = alt((
        "==".value(Operator::Compare(Equal)),
        "!=".value(Operator::Compare(NotEqual)),
        ">=".value(Operator::Compare(GreaterOrEqual)),
        "<=".value(Operator::Compare(LessOrEqual)),
        ">".value(Operator::Compare(Greater)),
        "<".value(Operator::Compare(Less)),
        "=~".value(Operator::Matches),
        "!~".value(Operator::NotMatches),
    ));
    let comparisons = alt((
        word("equals").value(Operator::Compare(Equal)),
        word("not_equals").value(Operator::Compare(NotEqual)),
        word("greater_than").value(Operator::Compare(Greater)),
        word("greater_than_equal").value(Operator::Compare(GreaterOrEqual)),
        word("less_than").value(Operator::Compare(Less)),
        word("less_than_equal").value(Operator::Compare(LessOrEqual)),
    ));
    let words = alt((
        alt((word("!in"), word("not_in"))).value(Operator::NotIn),
        word("in").value(Operator::In),
        alt((word("!exists"), word("not_exists"))).value(Operator::NotExists),
        word("exists").value(Operator::Exists),
        word("matches").value(Operator::Matches),
        word("not_matches").value(Operator::NotMatches),
    ));
    let found = opt(token(alt((comparisons, words, signs)))).parse_next(input)?;
    found.map_or_else(
        || wrong("an operator was expected, such as ==, in, =~ or exists"),
        Ok,
    )
}

impl Subject {
    fn name(&self) -> &'static str {
        match self {
            Self::AgentConnected => "agentConnected",
            Self::AgentVersion => "agentVersion",
            Self::Ec2InstanceId => "ec2InstanceId",
            Self::RegisteredAt => "registeredAt",
            Self::RunningTasksCount => "runningTasksCount",
            Self::TaskGroup => "task:group",
            Self::Attribute(_) => "attribute:",
        }
    }

    fn is_ordered(&self) -> bool {
        matches!(
            self,
            Self::AgentVersion | Self::RegisteredAt | Self::RunningTasksCount
        )
    }

    fn takes(&self, operator: Operator) -> bool {
        match operator {
            Operator::Exists
            | Operator::NotExists
            | Operator::In
            | Operator::NotIn
            | Operator::Compare(Comparison::Equal | Comparison::NotEqual) => true,
            Operator::Compare(_) => self.is_ordered(),
            Operator::Matches | Operator::NotMatches => {
                !matches!(self, Self::RegisteredAt | Self::RunningTasksCount)
            }
        }
    }

    /// The text as a value of the subject's kind, or what it should have been.
    fn value(&self, text: String) -> Result<Value, &'static str> {
        match self {
            Self::AgentConnected if text != "true" && text != "false" => Err("true or false"),
            Self::AgentConnected | Self::Ec2InstanceId | Self::TaskGroup | Self::Attribute(_) => {
                Ok(Value::Text(text))
            }
            Self::AgentVersion => Version::parse(&text)
                .map(Value::Version)
                .ok_or("a version such as 1.14.5"),
            Self::RegisteredAt => value::time(&text)
                .map(Value::Time)
                .ok_or("a time such as 2018-06-18T22:28:28Z"),
            Self::RunningTasksCount => text.parse().map(Value::Number).map_err(|_| "a number"),
        }
    }
}

fn one_value(input: &mut &str, subject: &Subject) -> Parsed<Value> {
    let start = *input;
    subject.value(text(input)?).or_else(|wanted| {
        *input = start;
        wrong(format!("{wanted} was expected"))
    })
}

fn values(input: &mut &str, subject: &Subject) -> Parsed<Vec<Value>> {
    if opt(token("[")).parse_next(input)?.is_none() {
        return wrong("a list was expected, such as [a, b]");
    }
    let mut values = vec![one_value(input, subject)?];
    while opt(token(",")).parse_next(input)?.is_some() {
        if values.len() == VALUES_MAX {
            return wrong(format!("a list can have at most {VALUES_MAX} values"));
        }
        values.push(one_value(input, subject)?);
    }
    if opt(token("]")).parse_next(input)?.is_none() {
        return wrong("\",\" or \"]\" was expected");
    }
    Ok(values)
}

fn pattern(input: &mut &str) -> Parsed<Pattern> {
    let start = *input;
    let text = text(input)?;
    Pattern::parse(&text).or_else(|error| {
        *input = start;
        wrong(format!("the pattern does not compile: {error}"))
    })
}

/// A literal, or a text in quotes, in which a backslash stands before a quote or a backslash.
fn text(input: &mut &str) -> Parsed<String> {
    let mark: Option<char> = opt(one_of(['"', '\''])).parse_next(input)?;
    let Some(mark) = mark else {
        let found: Option<&str> = opt(token(take_while(1.., is_literal))).parse_next(input)?;
        return found.map_or_else(|| wrong("a value was expected"), |text| Ok(text.to_owned()));
    };
    let (mut text, mut is_escaped) = (String::new(), false);
    for (place, c) in input.char_indices() {
        if is_escaped && c != mark && c != '\\' {
            text.push('\\');
        }
        if !is_escaped && c == '\\' {
            is_escaped = true;
            continue;
        }
        if !is_escaped && c == mark {
            *input = input[place + c.len_utf8()..].trim_start();
            return Ok(text);
        }
        is_escaped = false;
        text.push(c);
    }
    wrong(format!("the closing {mark} is missing"))
}

fn is_literal(c: char) -> bool {
    !c.is_whitespace() && !"()[],\"'&|=<>!".contains(c)
}

/// A word that ends where it ends: `in` is not the beginning of `instance`.
fn word<'a>(text: &'static str) -> impl ModalParser<&'a str, &'a str, Wrong> {
    let more = one_of(|c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c));
    terminated(text, not(more))
}

/// With the space behind it.
fn token<'a, T>(
    parser: impl ModalParser<&'a str, T, Wrong>,
) -> impl ModalParser<&'a str, T, Wrong> {
    terminated(parser, multispace0)
}
