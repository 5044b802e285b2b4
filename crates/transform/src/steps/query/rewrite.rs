//! Checks a query and puts the meter into it.
//!
//! # Shape
//! The query becomes the last definition of a prelude, whose other definitions are the standard library. All of
//! them are rewritten: a tick opens the body of each definition, and follows whatever gives several values or a
//! new one. Ticks never stand behind a call in the library, which would no longer be a tail call and need stack.
//!
//! # Invariants
//! - The parser recurses no deeper than `check_text` allows, everything behind it no deeper than [`DEPTH_MAX`].
//! - A definition of the user cannot call itself, and takes no filters as arguments: those would allow nesting
//!   that is exponential in the length of the query.

use std::collections::BTreeSet;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};

use super::natives::{self, GUARDS, MUL, SUB, TEXT, TICK};

/// What comes out, or why the query is refused.
type Result<T> = std::result::Result<T, String>;

/// The program: it calls the definition that the query has become.
pub(super) const MAIN: &str = "afflux_main";

/// How deep parts of a query may be nested.
const DEPTH_MAX: usize = 100;
/// How deep brackets may be nested.
const BRACKETS_MAX: usize = 24;
/// Words and pipes that open a level of the parser each.
const LEVELS_MAX: usize = 256;
/// Members of one object.
const MEMBERS_MAX: usize = 100;

/// Definitions of the library that a query must not have, because they look at the world, or are replaced.
const REFUSED: &[(&str, usize)] = &[
    ("stderr", 0),
    ("debug", 0),
    ("debug", 1),
    ("halt", 0),
    ("halt_error", 0),
    ("halt_error", 1),
    ("getpath", 1),
    ("combinations", 0),
    ("combinations", 1),
];

/// The library and the query, ready to be compiled.
pub(super) fn prelude(query: &str) -> Result<Vec<Def<&str>>> {
    check_text(query)?;
    let query = jaq_core::load::parse(query, |parser| parser.term())
        .ok_or_else(|| "it cannot be parsed".to_owned())?;
    let guards = jaq_core::load::parse(GUARDS, |parser| parser.defs()).unwrap_or_default();
    let library = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs())
        .filter(|def| !REFUSED.contains(&(def.name, def.args.len())));
    let natives: BTreeSet<(&str, usize)> = natives::all()
        .map(|(name, arguments, _)| (name, arguments.len()))
        .collect();
    let mut rewrite = Rewrite::new(&natives, Whose::Library);
    let mut defs = Vec::new();
    for def in guards.into_iter().chain(library) {
        defs.push(rewrite.def(def)?);
    }
    let mut rewrite = Rewrite::new(&natives, Whose::User);
    let body = rewrite.term(query)?;
    if rewrite.folds && rewrite.updates {
        return Err("it has both a reduce or foreach and an assignment".to_owned());
    }
    defs.push(Def {
        name: MAIN,
        args: Vec::new(),
        body,
    });
    Ok(defs)
}

/// Refuses what the parser would recurse too deep on.
fn check_text(text: &str) -> Result<()> {
    const LEVELS: &[&str] = &[
        "as", "try", "catch", "if", "elif", "def", "label", "reduce", "foreach",
    ];
    let (mut brackets, mut signs) = (0_usize, 0_usize);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => brackets += 1,
            ')' | ']' | '}' => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        match c {
            '-' => signs += 1,
            _ if c.is_whitespace() => {}
            _ => signs = 0,
        }
        if brackets > BRACKETS_MAX || signs > BRACKETS_MAX {
            return Err(format!("it is nested more than {BRACKETS_MAX} deep"));
        }
    }
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let levels = words.filter(|word| LEVELS.contains(word)).count();
    if levels + text.matches('|').count() > LEVELS_MAX {
        return Err(format!("it has more than {LEVELS_MAX} pipes and keywords"));
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Library,
    User,
}

/// The state of a walk over a term.
struct Rewrite<'a> {
    natives: &'a BTreeSet<(&'a str, usize)>,
    whose: Whose,
    depth: usize,
    /// The definitions around this place, by name and number of arguments.
    open: Vec<(String, usize)>,
    folds: bool,
    updates: bool,
}

impl<'a> Rewrite<'a> {
    fn new(natives: &'a BTreeSet<(&'a str, usize)>, whose: Whose) -> Self {
        Self {
            natives,
            whose,
            depth: 0,
            open: Vec::new(),
            folds: false,
            updates: false,
        }
    }

    fn def<'s>(&mut self, def: Def<&'s str>) -> Result<Def<&'s str>> {
        let Def { name, args, body } = def;
        if self.whose == Whose::User && args.iter().any(|arg| !arg.starts_with('$')) {
            return Err(format!("its function {name} takes a filter as an argument"));
        }
        self.open.push((name.to_owned(), args.len()));
        let body = self.term(body)?;
        self.open.pop();
        Ok(Def {
            name,
            args,
            body: pipe(tick(), body),
        })
    }

    fn term<'s>(&mut self, term: Term<&'s str>) -> Result<Term<&'s str>> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("it is nested more than {DEPTH_MAX} deep"));
        }
        let term = self.inner(term)?;
        self.depth -= 1;
        Ok(term)
    }

    fn inner<'s>(&mut self, term: Term<&'s str>) -> Result<Term<&'s str>> {
        Ok(match term {
            Term::Id | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => term,
            Term::Recurse => ticked(term),
            Term::Str(format, parts) => {
                let parts = parts.into_iter().map(|part| self.string_part(part));
                ticked(Term::Str(format, parts.collect::<Result<_>>()?))
            }
            Term::Arr(Some(items)) => ticked(Term::Arr(Some(self.boxed(*items)?))),
            Term::Obj(members) => self.object(members)?,
            Term::Neg(term) => Term::Neg(self.boxed(*term)?),
            Term::BinOp(left, op, right) => self.operation(*left, op, *right)?,
            Term::Label(name, term) => Term::Label(name, self.boxed(*term)?),
            Term::Fold(kind, values, pattern, terms) => {
                self.folds = true;
                let values = ticked(self.term(*values)?);
                let pattern = self.pattern(pattern)?;
                Term::Fold(kind, Box::new(values), pattern, self.terms(terms)?)
            }
            Term::TryCatch(term, catch) => Term::TryCatch(self.boxed(*term)?, self.maybe(catch)?),
            Term::IfThenElse(branches, otherwise) => {
                let branches = branches
                    .into_iter()
                    .map(|(condition, then)| Ok((self.term(condition)?, self.term(then)?)));
                let branches = branches.collect::<Result<_>>()?;
                Term::IfThenElse(branches, self.maybe(otherwise)?)
            }
            Term::Def(defs, term) => {
                let defs = defs.into_iter().map(|def| self.def(def));
                Term::Def(defs.collect::<Result<_>>()?, self.boxed(*term)?)
            }
            Term::Call(name, arguments) => self.call(name, arguments)?,
            Term::Path(term, Path(parts)) => {
                let repeats = parts
                    .iter()
                    .any(|(part, _)| matches!(part, Part::Range(None, None)));
                let term = self.boxed(*term)?;
                let parts = parts
                    .into_iter()
                    .map(|(part, optional)| Ok((self.part(part)?, optional)));
                let path = Term::Path(term, Path(parts.collect::<Result<_>>()?));
                if repeats { ticked(path) } else { path }
            }
        })
    }

    fn call<'s>(&mut self, name: &'s str, arguments: Vec<Term<&'s str>>) -> Result<Term<&'s str>> {
        let signature = (name, arguments.len());
        if self.whose == Whose::User {
            if self
                .open
                .iter()
                .any(|(open, count)| (open.as_str(), *count) == signature)
            {
                return Err(format!("its function {name} calls itself"));
            }
            if name.starts_with("afflux_") {
                return Err(format!("it uses {name}, which is not known here"));
            }
            self.updates |= name == "del";
        }
        let is_native = self.natives.contains(&signature);
        let call = Term::Call(name, self.terms(arguments)?);
        Ok(if is_native {
            pipe(tick(), ticked(call))
        } else {
            call
        })
    }

    fn operation<'s>(
        &mut self,
        left: Term<&'s str>,
        op: BinaryOp<&'s str>,
        right: Term<&'s str>,
    ) -> Result<Term<&'s str>> {
        let (left, right) = (self.term(left)?, self.term(right)?);
        let operation = |left, op, right| Term::BinOp(Box::new(left), op, Box::new(right));
        Ok(match op {
            BinaryOp::Pipe(pattern) => {
                let pattern = pattern.map(|pattern| self.pattern(pattern)).transpose()?;
                operation(left, BinaryOp::Pipe(pattern), right)
            }
            // Behind a comma of the library stands a tail call.
            BinaryOp::Comma if self.whose == Whose::Library => operation(left, op, right),
            BinaryOp::Comma => ticked(operation(left, op, right)),
            BinaryOp::Alt | BinaryOp::Or | BinaryOp::And => operation(left, op, right),
            BinaryOp::Math(Math::Mul) => ticked(Term::Call(MUL, vec![left, right])),
            BinaryOp::Math(Math::Sub) => ticked(Term::Call(SUB, vec![left, right])),
            BinaryOp::Math(_) => ticked(operation(left, op, right)),
            BinaryOp::Cmp(_) => operation(ticked(left), op, ticked(right)),
            BinaryOp::UpdateMath(Math::Mul | Math::Sub) => {
                return Err("the operators *= and -= are not supported".to_owned());
            }
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                self.updates = true;
                ticked(operation(left, op, right))
            }
        })
    }

    fn object<'s>(
        &mut self,
        members: Vec<(Term<&'s str>, Option<Term<&'s str>>)>,
    ) -> Result<Term<&'s str>> {
        if members.len() > MEMBERS_MAX {
            return Err(format!("an object has more than {MEMBERS_MAX} members"));
        }
        let members = members.into_iter().map(|(name, value)| {
            // A name alone stands for the member of that name: rewritten, it would be something else.
            let name = if value.is_some() {
                self.term(name)?
            } else {
                name
            };
            Ok((name, value.map(|value| self.term(value)).transpose()?))
        });
        Ok(ticked(Term::Obj(members.collect::<Result<_>>()?)))
    }

    fn pattern<'s>(&mut self, pattern: Pattern<&'s str>) -> Result<Pattern<&'s str>> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("it is nested more than {DEPTH_MAX} deep"));
        }
        let pattern = match pattern {
            Pattern::Var(_) => pattern,
            Pattern::Arr(items) => {
                let items = items.into_iter().map(|item| self.pattern(item));
                Pattern::Arr(items.collect::<Result<_>>()?)
            }
            Pattern::Obj(members) => {
                let members = members
                    .into_iter()
                    .map(|(name, pattern)| Ok((self.term(name)?, self.pattern(pattern)?)));
                Pattern::Obj(members.collect::<Result<_>>()?)
            }
        };
        self.depth -= 1;
        Ok(pattern)
    }

    fn part<'s>(&mut self, part: Part<Term<&'s str>>) -> Result<Part<Term<&'s str>>> {
        Ok(match part {
            Part::Index(term) => Part::Index(self.term(term)?),
            Part::Range(from, to) => {
                let from = from.map(|term| self.term(term)).transpose()?;
                Part::Range(from, to.map(|term| self.term(term)).transpose()?)
            }
        })
    }

    fn string_part<'s>(
        &mut self,
        part: StrPart<&'s str, Term<&'s str>>,
    ) -> Result<StrPart<&'s str, Term<&'s str>>> {
        Ok(match part {
            StrPart::Term(term) => {
                StrPart::Term(pipe(self.term(term)?, Term::Call(TEXT, Vec::new())))
            }
            StrPart::Str(_) | StrPart::Char(_) => part,
        })
    }

    fn terms<'s>(&mut self, terms: Vec<Term<&'s str>>) -> Result<Vec<Term<&'s str>>> {
        terms.into_iter().map(|term| self.term(term)).collect()
    }

    fn boxed<'s>(&mut self, term: Term<&'s str>) -> Result<Box<Term<&'s str>>> {
        self.term(term).map(Box::new)
    }

    fn maybe<'s>(
        &mut self,
        term: Option<Box<Term<&'s str>>>,
    ) -> Result<Option<Box<Term<&'s str>>>> {
        term.map(|term| self.boxed(*term)).transpose()
    }
}

fn tick<'s>() -> Term<&'s str> {
    Term::Call(TICK, Vec::new())
}

fn ticked(term: Term<&str>) -> Term<&str> {
    pipe(term, tick())
}

fn pipe<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}
