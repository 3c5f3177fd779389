//! Where a template fails. The engine tells what went wrong while it ran, but not where.
//!
//! The tree it ran does know places. So the parts of the text are run again, one more each time, until it fails: the last
//! one is where it failed, and the first use in it of the name that the error mentions is the place people look for.

use gotmpl::parse::{CommandNode, Expr, ListNode, Node, PipeNode};
use gotmpl::{Template, TemplateError, Value};

use super::{Error, NAME};

/// Functions of every template, beside `break` and `continue`, which are words of the language.
const FUNCTIONS: [&str; 18] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print",
    "printf", "println", "slice",
];

/// A name for the beginning of the text while it is run again; nobody can write it.
const BEGINNING: &str = "\0beginning";

/// The error with its place.
pub(super) fn located(template: Template, text: &str, data: &Value, error: &TemplateError) -> Error {
    let offset = failing_offset(template, data, error).unwrap_or(0);
    let (line, column) = position(text, offset);
    match error {
        TemplateError::MissingKey { key } => Error::Missing { line, column, key: key.clone() },
        other => Error::Execute { line, column, message: other.to_string() },
    }
}

/// The first function that does not exist. Like Go, that is refused even where it would not be called.
pub(super) fn unknown_function(template: &Template, text: &str) -> Option<Error> {
    let known = |name: &str| FUNCTIONS.contains(&name) || name == "urlquery";
    let bodies = template.templates().into_iter().map(str::to_owned);
    let unknown = bodies.filter_map(|name| template.lookup(&name)).find_map(|body| {
        find_in_list(body, &mut |expression| matches!(expression, Expr::Identifier(_, name) if !known(name)))
            .map(|expression| (expression.pos().offset, expression.clone()))
    });
    let (offset, Expr::Identifier(_, name)) = unknown? else { return None };
    let (line, column) = position(text, offset);
    Some(Error::Parse { line, column, message: format!("function {:?} not defined", name.as_str()) })
}

fn failing_offset(mut template: Template, data: &Value, error: &TemplateError) -> Option<usize> {
    let body = template.lookup(NAME).cloned()?;
    for count in 1..=body.nodes.len() {
        let nodes = body.nodes[..count].to_vec();
        template = template.add_parse_tree(BEGINNING, ListNode { pos: body.pos, nodes });
        if template.execute_template_to_string(BEGINNING, data).is_err() {
            return Some(offset_within(&template, &body.nodes[count - 1], error));
        }
    }
    None
}

/// The first use of what the error mentions, in the part itself or in a template that it names.
fn offset_within(template: &Template, node: &Node, error: &TemplateError) -> usize {
    let mut mentioned = |expression: &Expr| match (error, expression) {
        (
            TemplateError::MissingKey { key },
            Expr::Field(_, fields) | Expr::Variable(_, _, fields) | Expr::Chain(_, _, fields),
        ) => fields.iter().any(|field| field.as_str() == key),
        (TemplateError::UndefinedVariable(name), Expr::Variable(_, variable, _)) => variable.as_str() == name,
        _ => false,
    };
    let found = find(node, &mut mentioned).or_else(|| {
        let mut bodies = template.templates().into_iter().filter(|name| *name != BEGINNING);
        bodies.find_map(|name| find_in_list(template.lookup(name)?, &mut mentioned))
    });
    found.map_or_else(|| offset(node), |expression| expression.pos().offset)
}

type Wanted<'w> = &'w mut dyn FnMut(&Expr) -> bool;

fn find<'n>(node: &'n Node, wanted: Wanted<'_>) -> Option<&'n Expr> {
    match node {
        Node::List(list) => find_in_list(list, wanted),
        Node::Action(action) => find_in_pipe(&action.pipe, wanted),
        Node::If(branch) | Node::Range(branch) | Node::With(branch) => find_in_pipe(&branch.pipe, wanted)
            .or_else(|| find_in_list(&branch.body, wanted))
            .or_else(|| branch.else_body.as_ref().and_then(|body| find_in_list(body, wanted))),
        Node::Template(named) => named.pipe.as_ref().and_then(|pipe| find_in_pipe(pipe, wanted)),
        Node::Define(defined) => find_in_list(&defined.body, wanted),
        Node::Text(_) | Node::Break(_) | Node::Continue(_) => None,
    }
}

fn find_in_list<'n>(list: &'n ListNode, wanted: Wanted<'_>) -> Option<&'n Expr> {
    list.nodes.iter().find_map(|node| find(node, wanted))
}

fn find_in_pipe<'n>(pipe: &'n PipeNode, wanted: Wanted<'_>) -> Option<&'n Expr> {
    pipe.commands.iter().find_map(|command: &CommandNode| {
        command.args.iter().find_map(|expression| find_in_expression(expression, wanted))
    })
}

fn find_in_expression<'n>(expression: &'n Expr, wanted: Wanted<'_>) -> Option<&'n Expr> {
    if wanted(expression) {
        return Some(expression);
    }
    match expression {
        Expr::Pipe(_, pipe) => find_in_pipe(pipe, wanted),
        Expr::Chain(_, inner, _) => find_in_expression(inner, wanted),
        _ => None,
    }
}

fn offset(node: &Node) -> usize {
    match node {
        Node::List(list) => list.pos.offset,
        Node::Text(text) => text.pos.offset,
        Node::Action(action) => action.pos.offset,
        Node::If(branch) | Node::Range(branch) | Node::With(branch) => branch.pos.offset,
        Node::Template(named) => named.pos.offset,
        Node::Define(defined) => defined.pos.offset,
        Node::Break(pos) | Node::Continue(pos) => pos.offset,
    }
}

/// Line and column, both from 1.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}
