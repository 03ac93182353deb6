// A plugin of redocly (infra/check/redocly.yaml). It runs when redocly has bundled the files of this folder: it adds what follows from the
// rest of the document, and writes out what API Gateway can't look up itself.

export default () => ({ id: "api", decorators: { oas3: { complete: () => ({ Root: { leave: complete } }) } } });

const GATEWAY_RESPONSES = "x-amazon-apigateway-gateway-responses";
const WRITTEN_OUT = ["headers", "parameters", "responses"];

function complete(api) {
  const { "/common": common, ...paths } = writtenOut(api.paths, api.components);
  for (const kind of WRITTEN_OUT) delete api.components[kind];
  api.paths = mapValues(paths, (path) => completePath(path, common));
  api.components.schemas = mapValues(api.components.schemas, completeSchema);
  api[GATEWAY_RESPONSES] = gatewayResponses(api[GATEWAY_RESPONSES]);
}

/** A copy in which references to components are replaced by what they refer to, except for schemas: API Gateway resolves no others. */
function writtenOut(node, components) {
  if (Array.isArray(node)) return node.map((part) => writtenOut(part, components));
  if (node === null || typeof node !== "object") return node;
  const [, kind, name] = /^#\/components\/(\w+)\/(\w+)$/.exec(node.$ref) ?? [];
  if (WRITTEN_OUT.includes(kind)) return writtenOut(components[kind][name], components);
  return mapValues(node, (part) => writtenOut(part, components));
}

/** The verbs keep their order, in which a preflight names them. */
function completePath(path, common) {
  return mapEntries(path, (verb, operation) => {
    if (verb === "head") return [verb, headOf(completeOperation(path.get, common), { ...operation, ...common.head })];
    if (verb === "options") return [verb, preflightOf(path, { ...operation, ...common.options })];
    return [verb, completeOperation(operation, common)];
  });
}

/** An operation's own responses go before the common ones. Where requests are counted, all of them say what is left. */
function completeOperation({ "x-function": name, "x-voters-too": votersToo, ...operation }, common) {
  const added = filledIn(common.get, "NAME", name);
  const responses = { ...added.responses, ...operation.responses };
  const completed = { ...operation, ...added, responses };
  return isOfMembers(operation) && !votersToo ? { ...completed, responses: limited(responses, common.put.responses) } : completed;
}

function isOfMembers({ security }) {
  return security.some((scheme) => "owner" in scheme);
}

/** The gateway answers too, and knows no limits: only a success has the headers for sure. Nobody is counted without a token. */
function limited(responses, { 200: counted, ...refused }) {
  return mapEntries({ ...responses, ...refused }, (status, response) => {
    if (status === "401") return [status, response];
    const required = status.startsWith("2") && { required: true };
    return [status, { ...response, headers: { ...response.headers, ...mapValues(counted.headers, (header) => ({ ...header, ...required })) } }];
  });
}

/** As GET, without bodies. */
function headOf(get, head) {
  const responses = mapValues(get.responses, ({ headers = {} }) => ({
    description: "As for GET, without a body.",
    headers: mapValues(headers, ({ description, ...header }) => header),
  }));
  return { ...get, ...head, responses };
}

/** Takes any value for the path's parameters, and names the path's verbs. */
function preflightOf(path, options) {
  const [{ parameters = [] }] = Object.values(path);
  const ofPath = parameters.filter((parameter) => parameter.in === "path");
  const added = ofPath.map(({ schema, ...parameter }) => ({ ...parameter, schema: { type: schema.type } }));
  return { ...filledIn(options, "VERBS", Object.keys(path).join(",").toUpperCase()), ...(added.length && { parameters: added }) };
}

/** `required: all` names all properties. */
function completeSchema({ required, properties, items, ...schema }) {
  if (required) schema.required = required === "all" ? Object.keys(properties) : required;
  if (properties) schema.properties = mapValues(properties, completeSchema);
  if (items) schema.items = completeSchema(items);
  return schema;
}

function gatewayResponses({ headers: ofAll, problems }) {
  return mapValues(problems, ({ headers, ...problem }) => ({
    statusCode: String(problem.status),
    responseTemplates: { "application/problem+json": problemTemplate(problem) },
    responseParameters: mapEntries({ ...ofAll, ...headers }, (name, value) => [`gatewayresponse.header.${name}`, value]),
  }));
}

function problemTemplate({ title, status, detail, code }) {
  const problem = { type: "about:blank", title, status, detail, code, request_id: "$context.requestId" };
  return JSON.stringify(problem).replace('"$context.error.messageString"', "$context.error.messageString"); // has its own quotes
}

/** A copy with a word replaced in all texts. */
function filledIn(node, word, value) {
  return JSON.parse(JSON.stringify(node).replaceAll(word, value));
}

function mapEntries(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => change(key, value)));
}

function mapValues(object, change) {
  return mapEntries(object, (key, value) => [key, change(value)]);
}
