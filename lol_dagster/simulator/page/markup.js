// Discord's markdown and Slack's mrkdwn, as far as messages about games use them, as DOM nodes.
// Text only ever becomes a text node: no name, however hostile, turns into markup of this page.

export function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Of this world only, as the page loads nothing from elsewhere.
export function icon(address, alt) {
  const made = element("img", "icon");
  made.src = address;
  made.alt = made.title = alt;
  return made;
}

function link(address, ...children) {
  if (!/^https?:\/\//i.test(address)) return element("span", "", ...children);
  const made = element("a", "", ...children);
  made.href = address;
  made.target = "_blank";
  made.rel = "noopener noreferrer";
  return made;
}

// https://docs.discord.com/developers/reference#message-formatting-timestamp-styles
const STYLES = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { day: "2-digit", month: "2-digit", year: "numeric" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
};
const clock = (seconds, style) =>
  new Date(Number(seconds) * 1000).toLocaleString([], STYLES[style] ?? STYLES.f);

// Each rule is tried in this order at each place; `make` gets the match and the rule's own parser.
const DISCORD = [
  [/^\\([^\p{L}\p{N}\s])/u, (found) => found[1]],
  [/^```(?:\w+\n)?([\s\S]+?)```/, (found) => element("pre", "", found[1])],
  [/^(`+)([\s\S]*?[^`])\1(?!`)/, (found) => element("code", "", found[2].trim())],
  [/^\[((?:\\.|[^\]\\])+)\]\((https?:\/\/[^\s)]+)\)/, (found, parse) => link(found[2], ...parse(found[1]))],
  [/^<(https?:\/\/[^\s>]+)>/, (found) => link(found[1], found[1])],
  [/^https?:\/\/[^\s<]*[^\s<.,;:!?)\]'"]/, (found) => link(found[0], found[0])],
  [/^<t:(-?\d+)(?::(\w))?>/, (found) => element("span", "time", clock(found[1], found[2]))],
  [/^<:(\w+):(\d+)>/, (found) => icon(`/files/${found[2]}`, `:${found[1]}:`)],
  [/^<(?:@[!&]?|#)(\d+)>/, (found) => element("span", "mention", found[0])],
  [/^\*\*((?:\\[\s\S]|[^\\])+?)\*\*(?!\*)/, (found, parse) => element("strong", "", ...parse(found[1]))],
  [/^__((?:\\[\s\S]|[^\\])+?)__(?!_)/, (found, parse) => element("u", "", ...parse(found[1]))],
  [/^~~((?:\\[\s\S]|[^\\])+?)~~/, (found, parse) => element("s", "", ...parse(found[1]))],
  [/^\|\|((?:\\[\s\S]|[^\\])+?)\|\|/, (found, parse) => element("span", "spoiler", ...parse(found[1]))],
  [/^\*((?:\\[\s\S]|[^\\*])+?)\*(?!\*)/, (found, parse) => element("em", "", ...parse(found[1]))],
  [/^_((?:\\[\s\S]|[^\\_])+?)_(?!\w)/, (found, parse) => element("em", "", ...parse(found[1]))],
];

const unescaped = (text) =>
  text.replace(/&(amp|lt|gt);/g, (whole, name) => ({ amp: "&", lt: "<", gt: ">" })[name]);

const SLACK = [
  [/^```([\s\S]+?)```/, (found) => element("pre", "", unescaped(found[1]))],
  [/^`([^`\n]+)`/, (found) => element("code", "", unescaped(found[1]))],
  [/^<(https?:\/\/[^|>]+)\|([^>]*)>/, (found) => link(unescaped(found[1]), unescaped(found[2]))],
  [/^<(https?:\/\/[^>]+)>/, (found) => link(unescaped(found[1]), unescaped(found[1]))],
  [/^<([@#!][^>]*)>/, (found) => element("span", "mention", "@" + found[1].slice(1))],
  [/^\*(?=\S)([^*\n]*?[^*\s])\*(?![\p{L}\p{N}])/u, (found, parse) => element("strong", "", ...parse(found[1]))],
  [/^_(?=\S)([^_\n]*?[^_\s])_(?![\p{L}\p{N}])/u, (found, parse) => element("em", "", ...parse(found[1]))],
  [/^~(?=\S)([^~\n]*?[^~\s])~(?![\p{L}\p{N}])/u, (found, parse) => element("s", "", ...parse(found[1]))],
  [/^&(?:amp|lt|gt);/, (found) => unescaped(found[0])],
];

function parse(text, rules, opensInWord) {
  const nodes = [];
  let plain = "";
  let rest = text;
  const inner = (part) => parse(part, rules, opensInWord);
  while (rest) {
    const before = plain ? plain.at(-1) : " ";
    const formatting = /^[*_~]/.test(rest);
    const inWord = /[\p{L}\p{N}]/u.test(before);
    // An underscore inside a word opens nothing at Discord; neither does any mark at Slack.
    const closed = formatting && inWord && (!opensInWord || rest[0] === "_");
    let hit = null;
    for (const [pattern, make] of closed ? [] : rules) {
      const found = pattern.exec(rest);
      if (found) {
        hit = [found[0].length, make(found, inner)];
        break;
      }
    }
    const [length, made] = hit ?? [rest.codePointAt(0) > 0xffff ? 2 : 1, null];
    if (typeof made === "string") plain += made;
    else if (made === null) plain += rest.slice(0, length);
    else {
      if (plain) nodes.push(plain);
      plain = "";
      nodes.push(made);
    }
    rest = rest.slice(length);
  }
  if (plain) nodes.push(plain);
  return nodes;
}

function lines(text, parseLine, shapes) {
  const made = [];
  for (const line of text.split("\n")) {
    const shape = shapes.find(([pattern]) => pattern.test(line));
    if (shape) {
      made.push(element(shape[1], shape[2], ...parseLine(line.replace(shape[0], ""))));
    } else {
      if (made.length && typeof made.at(-1) !== "object") made.push("\n");
      else if (made.length && !made.at(-1).matches?.("blockquote, div")) made.push("\n");
      made.push(...parseLine(line));
    }
  }
  return made;
}

export function discordMarkup(text) {
  const parseLine = (line) => parse(line, DISCORD, true);
  if (text.includes("```")) return parseLine(text);
  return lines(text, parseLine, [
    [/^> /, "blockquote", ""],
    [/^-# /, "div", "subtext"],
    [/^#{1,3} /, "div", "heading"],
  ]);
}

export function slackMarkup(text) {
  const parseLine = (line) => parse(line, SLACK, false);
  if (text.includes("```")) return parseLine(text);
  return lines(text, parseLine, [[/^(?:>|&gt;) ?/, "blockquote", ""]]);
}
