// The page: asks for the state each second and shows what has changed.

import { discordMarkup, element, icon, slackMarkup } from "./markup.js";

const byId = (id) => document.getElementById(id);
const seen = new Map(); // channel → messages when it was last shown
let shown = ""; // what the message list was last made from

const keyOf = (channel) => `${channel.service}/${channel.id}`;
const hash = () => decodeURIComponent(location.hash.slice(1));
const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function picture(id, alt) {
  const made = element("img", "picture");
  made.src = `/files/${encodeURIComponent(id)}`;
  made.alt = alt ?? "";
  return made;
}

function discordEmbed(embed, attachments) {
  const made = element("div", "embed");
  if (embed.color !== undefined && embed.color !== null) {
    made.style.borderColor = "#" + Number(embed.color).toString(16).padStart(6, "0");
  }
  if (embed.author?.name) made.append(element("div", "footer", embed.author.name));
  if (embed.title) {
    const title = element("div", "title");
    if (/^https?:\/\//i.test(embed.url ?? "")) {
      const link = element("a", "", ...discordMarkup(embed.title));
      link.href = embed.url;
      link.target = "_blank";
      link.rel = "noopener noreferrer";
      title.append(link);
    } else title.append(...discordMarkup(embed.title));
    made.append(title);
  }
  if (embed.description) made.append(element("div", "body text", ...discordMarkup(embed.description)));
  if (embed.fields?.length) {
    made.append(element("div", "fields", ...embed.fields.map((field) =>
      element("div", field.inline ? "inline" : "",
        element("b", "", ...discordMarkup(field.name)),
        element("div", "text", ...discordMarkup(field.value))))));
  }
  const attached = attachments.find((one) => embed.image?.url === `attachment://${one.filename}`);
  if (attached) made.append(picture(attached.id, attached.description));
  const foot = [embed.footer?.text, embed.timestamp && new Date(embed.timestamp).toLocaleString()];
  if (foot.some(Boolean)) made.append(element("div", "footer", foot.filter(Boolean).join(" • ")));
  return made;
}

function slackText(object) {
  if (!object) return [];
  if (object.type === "image") return [icon(object.image_url, object.alt_text)];
  return object.type === "mrkdwn" ? slackMarkup(object.text) : [object.text ?? ""];
}

// As Slack fills in its {date_short_pretty} {time}: https://docs.slack.dev/reference/block-kit/block-elements/date-element
function slackDate(part) {
  const at = new Date(part.timestamp * 1000);
  const days = Math.round((new Date().setHours(12, 0, 0, 0) - new Date(at).setHours(12, 0, 0, 0)) / 86400000);
  const day = days === 0 || days === 1
    ? new Intl.RelativeTimeFormat([], { numeric: "auto" }).format(-days, "day")
    : at.toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" });
  return part.format
    .replace("{date_short_pretty}", day)
    .replace("{time}", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
}

function richText(part) {
  if (part.elements) {
    const tag = part.type === "rich_text_quote" ? "blockquote" : part.type === "rich_text_preformatted" ? "pre" : "span";
    return element(tag, "", ...part.elements.map(richText));
  }
  if (part.type === "date") return element("span", "", slackDate(part));
  const text = part.text ?? part.url ?? (part.name ? `:${part.name}:` : "");
  const style = part.style ?? {};
  let made = part.type === "link" ? slackMarkup(`<${part.url}|x>`)[0] : element("span");
  made.textContent = text;
  for (const [name, tag] of [["bold", "strong"], ["italic", "em"], ["strike", "s"], ["code", "code"]]) {
    if (style[name]) made = element(tag, "", made);
  }
  return made;
}

function slackBlock(block) {
  switch (block.type) {
    case "header": return element("div", "header", ...slackText(block.text));
    case "image": return picture(block.slack_file?.id ?? "", block.alt_text);
    case "divider": return element("hr");
    case "context": return element("div", "context text", ...(block.elements ?? []).flatMap((one) => [...slackText(one), " "]));
    case "rich_text": return element("div", "text", ...(block.elements ?? []).map(richText));
    default: {
      const made = element("div");
      if (block.text) made.append(element("div", "text", ...slackText(block.text)));
      if (block.fields) made.append(element("div", "pair", ...block.fields.map((one) => element("div", "text", ...slackText(one)))));
      return made;
    }
  }
}

function messageItem(message, service, follows) {
  const item = element("li", `message ${service}${follows ? "" : " first"}${message.deleted_at ? " deleted" : ""}`);
  const hook = !/^(1000000000000000001|B0SIMULATE)$/.test(message.author);
  if (!follows) {
    item.append(
      element("span", "avatar", hook ? "W" : "L"),
      element("div", "byline", element("b", "", hook ? "Webhook" : "lol-dagster"), element("span", "tag", "APP"), time(message.posted_at)));
  }
  const { content, embeds, text, blocks } = message.body;
  if (content) item.append(element("div", "text", ...discordMarkup(content)));
  for (const embed of embeds ?? []) item.append(discordEmbed(embed, message.body.attachments ?? []));
  if (blocks?.length) item.append(element("div", "blocks", ...blocks.map(slackBlock)));
  else if (text) item.append(element("div", "text", ...slackMarkup(text)));
  if (message.deleted_at) item.append(element("div", "note", `(deleted ${time(message.deleted_at)})`));
  else if (message.edited_at) {
    const note = element("div", "note", "(edited)");
    note.title = `edited ${time(message.edited_at)}`;
    item.append(note);
  }
  return item;
}

function showChannels(channels, current) {
  const groups = new Map();
  for (const channel of channels) {
    groups.set(channel.service, [...(groups.get(channel.service) ?? []), channel]);
  }
  const made = [];
  for (const [service, members] of groups) {
    made.push(element("h3", "", service));
    for (const channel of members) {
      const key = keyOf(channel);
      const open = current !== undefined && key === keyOf(current);
      const fresh = channel.total - (seen.get(key) ?? 0);
      const row = element("a", !open && fresh > 0 ? "fresh" : "",
        element("span", "name", channel.id), element("span", "total", String(!open && fresh > 0 ? fresh : channel.total)));
      row.href = "#" + encodeURIComponent(key);
      if (open) row.setAttribute("aria-current", "page");
      made.push(row);
    }
  }
  byId("channels").replaceChildren(...made);
}

function showMessages(channel) {
  byId("empty").hidden = Boolean(channel);
  byId("title").textContent = channel ? `# ${channel.id}` : "";
  byId("summary").textContent = channel ? `${channel.service} · ${channel.total} message${channel.total === 1 ? "" : "s"}` : "";
  const made = JSON.stringify(channel ?? null);
  if (made === shown) return;
  shown = made;
  const list = byId("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  let last = null;
  list.replaceChildren(...(channel?.messages ?? []).map((message) => {
    const follows = last !== null && last.author === message.author && message.posted_at - last.posted_at < 420;
    last = message;
    return messageItem(message, channel.service, follows);
  }));
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function showTable(id, rows) {
  byId(id).replaceChildren(...rows.flatMap(([name, value, bad]) => [
    element("dt", "", name), element("dd", bad ? "bad" : "", String(value)),
  ]));
}

function showState(state) {
  const current = state.channels.find((channel) => keyOf(channel) === hash()) ?? state.channels[0];
  if (current) seen.set(keyOf(current), current.total);
  showChannels(state.channels, current);
  showMessages(current);
  showTable("riot", [
    ["games finished", state.games],
    ...Object.entries(state.riot).flatMap(([host, windows]) =>
      windows.map(([seconds, used, calls]) => [`${host}, ${seconds} s`, `${used} of ${calls}`])),
    ["limit overruns", state.violations, state.violations > 0],
  ]);
  showTable("calls", Object.entries(state.counts).flatMap(([operation, outcomes]) =>
    Object.entries(outcomes).map(([outcome, number]) =>
      [outcome === "200" ? operation : `${operation} ${outcome}`, number, !/^(2\d\d|404)$/.test(outcome)])));
  if (document.activeElement !== byId("spec")) byId("spec").value = state.faults;
}

async function refresh() {
  try {
    const answer = await fetch("/state", { cache: "no-store" });
    showState(await answer.json());
    byId("light").className = "light on";
    byId("connection").textContent = "live";
  } catch (error) {
    byId("light").className = "light off";
    byId("connection").textContent = "not reachable";
    if (!(error instanceof TypeError)) throw error; // fetch throws TypeError when nobody answers
  } finally {
    setTimeout(refresh, 1000);
  }
}

addEventListener("hashchange", () => { shown = ""; });
byId("faults").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/faults", { method: "POST", body: byId("spec").value });
  byId("answer").textContent = (await answer.json()).error ?? "";
  byId("spec").blur();
});
refresh();
