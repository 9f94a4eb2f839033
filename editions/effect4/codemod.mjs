/**
 * Rewrites TypeScript for Effect 3 into TypeScript for Effect 4 by the tables in rules.mjs.
 *
 * A file is printed from its syntax tree: rules print the nodes that they match, everything else is copied. Some rewrites
 * depend on types, which TypeScript's checker provides, such as an Either where an Effect is expected.
 */
import { posix } from "node:path"
import ts from "typescript"
import { calls, members, methods, modules, objects, optionNames, properties, prose, tags, types } from "./rules.mjs"

/** The name of a namespace import is the last part of the module's name. */
const namespaceOf = (module) => module.slice(module.lastIndexOf("/") + 1)

const entry = (table, name) => (table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined)

const isOfEffect = (module) => /^@?effect(?:\/|$)/.test(module)

/** Rewrites a comment, or Markdown outside of code blocks. */
export const rewriteProse = (text) => prose.reduce((result, [pattern, to]) => result.replaceAll(pattern, to), text)

const comments = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/g

/** What Effect 3 can run like an Effect and Effect 4 cannot. */
const conversions = {
  Either: ["effect/Effect", "fromResult"],
  Option: ["effect/Effect", "fromOption"],
  Deferred: ["effect/Deferred", "await"],
  Fiber: ["effect/Fiber", "join"]
}
const convertible = new Map([
  ["Either", ["Left", "Right"]],
  ["Option", ["None", "Some"]],
  ["Deferred", ["Deferred"]],
  ["Fiber", ["Fiber", "RuntimeFiber"]]
])

const isDeclaredIn = (type, module) =>
  (type.symbol ?? type.aliasSymbol)?.declarations?.some((declaration) =>
    declaration.getSourceFile().fileName.endsWith(`/effect/dist/dts/${module}.d.ts`)
  ) === true

const partsOf = (type) => (type.isUnion() ? type.types : [type])

const kindOf = (type) => {
  if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.Never)) {
    return undefined
  }
  for (const [module, names] of convertible) {
    if (partsOf(type).some((part) => names.includes(part.symbol?.name) && isDeclaredIn(part, module))) {
      return module
    }
  }
  return undefined
}

const isEffect = (type) =>
  type !== undefined &&
  kindOf(type) === undefined &&
  partsOf(type).some((part) => part.symbol?.name === "Effect" && isDeclaredIn(part, "Effect"))

/**
 * Rewrites one file of a program. `path` is its path in the project, from which imports of the project's modules are
 * resolved. `renderComment` rewrites comments.
 */
export const rewrite = (sourceFile, checker, { path = "", renderComment = rewriteProse } = {}) => {
  const { text } = sourceFile
  const namespaces = new Map()
  const names = new Map()
  for (const statement of sourceFile.statements) {
    if (ts.isImportDeclaration(statement) && isOfEffect(statement.moduleSpecifier.text)) {
      const module = statement.moduleSpecifier.text
      const bindings = statement.importClause?.namedBindings
      if (bindings !== undefined && ts.isNamespaceImport(bindings)) {
        namespaces.set(bindings.name.text, module)
      } else {
        for (const element of bindings?.elements ?? []) {
          names.set(element.name.text, { module, name: (element.propertyName ?? element.name).text })
        }
      }
    }
  }

  /** Namespaces of Effect 4 that the output uses, and whether any use is a value. */
  const used = new Map()
  const use = (module, isValue) => {
    used.set(module, used.get(module) === true || isValue)
    return namespaceOf(module)
  }
  const effect = (module, name) => `${use(`effect/${module}`, true)}.${name}`

  /** Imports of the project's own modules are relative. Node runs `.mjs` files directly, and strips the types of others. */
  const specifierOf = (module) =>
    module.startsWith("test/")
      ? posix.relative(posix.dirname(path), `${module}.${path.endsWith(".mjs") ? "ts" : "js"}`).replace(/^(?!\.)/, "./")
      : module

  const isNamespace = (identifier) =>
    ts.isIdentifier(identifier) &&
    namespaces.has(identifier.text) &&
    checker.getSymbolAtLocation(identifier)?.declarations?.some(ts.isNamespaceImport) === true

  /** The member of Effect 3 that a node refers to, such as `effect/Effect#map`. */
  const memberOf = (node) => {
    if (ts.isPropertyAccessExpression(node) && isNamespace(node.expression)) {
      return `${namespaces.get(node.expression.text)}#${node.name.text}`
    }
    if (ts.isQualifiedName(node) && isNamespace(node.left)) {
      return `${namespaces.get(node.left.text)}#${node.right.text}`
    }
    if (ts.isQualifiedName(node)) {
      const left = memberOf(node.left)
      return left === undefined ? undefined : `${left}.${node.right.text}`
    }
    if (ts.isIdentifier(node) && names.has(node.text)) {
      const { module, name } = names.get(node.text)
      return `${module}#${name}`
    }
    return undefined
  }

  const isOfModule = (node, module) => memberOf(node)?.startsWith(`${module}#`) === true

  const printMember = (member, isValue) => {
    const [module, name] = member.split("#")
    const to = entry(members[module], name) ?? name
    const [toModule, toName] = to.includes("#") ? to.split("#") : [modules[module] ?? module, to]
    const renamed = [...namespaces].find(([name, it]) => it === module && name !== namespaceOf(module))
    return renamed !== undefined && toModule === (modules[module] ?? module)
      ? `${renamed[0]}.${toName}`
      : `${use(toModule, isValue)}.${toName}`
  }

  /** Whether an expression is used as an Effect. */
  const isRunAsEffect = (node) => {
    const { parent } = node
    if (ts.isYieldExpression(parent)) {
      // Result.gen and Option.gen yield their own types
      const generator = ts.findAncestor(node, ts.isFunctionExpression)
      const isOwn = ts.isCallExpression(generator.parent) && /#gen$/.test(memberOf(generator.parent.expression) ?? "")
      return parent.asteriskToken !== undefined && !(isOwn && !isOfModule(generator.parent.expression, "effect/Effect"))
    }
    if (ts.isPropertyAccessExpression(parent)) {
      return false
    }
    if (isEffect(checker.getContextualType(node))) {
      return true
    }
    const isReturned = (ts.isArrowFunction(parent) && parent.body === node) || ts.isReturnStatement(parent)
    const fn = isReturned && ts.findAncestor(node, (it) => ts.isFunctionLike(it))
    if (!fn || fn.asteriskToken !== undefined) {
      return false
    }
    const contextual = ts.isExpression(fn) ? checker.getContextualType(fn)?.getCallSignatures()[0] : undefined
    return isEffect(contextual?.getReturnType()) || isEffect(fn.type && checker.getTypeFromTypeNode(fn.type))
  }

  const convert = (node, printed) => {
    if (
      !ts.isExpression(node) ||
      ts.isParenthesizedExpression(node) ||
      ts.isConditionalExpression(node) ||
      ts.isFunctionLike(node) ||
      (ts.isIdentifier(node) && isNamespace(node)) ||
      node.parent === undefined
    ) {
      return printed
    }
    const kind = kindOf(checker.getTypeAtLocation(node))
    if (kind === undefined || !isRunAsEffect(node)) {
      return printed
    }
    const [module, name] = conversions[kind]
    return `${use(module, true)}.${name}(${printed})`
  }

  const gap = (from, to) => text.slice(from, to).replaceAll(comments, (comment) => renderComment(comment))

  const printChildren = (node) => {
    let printed = ""
    let position = node.getStart(sourceFile)
    ts.forEachChild(node, (child) => {
      const start = child.getStart(sourceFile)
      if (start >= position) {
        printed += gap(position, start) + print(child)
        position = child.end
      }
    })
    return printed + gap(position, node.end)
  }

  const tools = { checker, effect, kindOf, memberOf, namespaces, print: (node) => print(node), use }

  const printNode = (node) => {
    if (ts.isImportDeclaration(node)) {
      return printImport(node)
    }
    if (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node)) {
      const name = ts.isTypeReferenceNode(node) ? node.typeName : node.expression
      // a type that is imported by name keeps its name
      const printed = ts.isIdentifier(name) ? undefined : types[memberOf(name)]?.(node, tools)
      if (printed !== undefined) {
        return printed
      }
    }
    if (ts.isCallExpression(node)) {
      // a rule for `f(…)(…)` has the name `f()`
      const callee = node.expression
      const curried = ts.isCallExpression(callee) ? memberOf(callee.expression) : undefined
      const method = ts.isPropertyAccessExpression(callee) ? entry(methods, callee.name.text) : undefined
      const printed =
        calls[curried === undefined ? memberOf(callee) : `${curried}()`]?.(node, tools) ?? method?.(node, tools)
      if (printed !== undefined) {
        return printed
      }
    }
    const member = ts.isPropertyAccessExpression(node) || ts.isQualifiedName(node) ? memberOf(node) : undefined
    if (member !== undefined) {
      const printed = calls[`${member}!`]?.(node, tools)
      return printed ?? printMember(member, !ts.isPartOfTypeNode(node) && !ts.isQualifiedName(node))
    }
    if (
      ts.isIdentifier(node) &&
      names.has(node.text) &&
      !(ts.isPropertyAccessExpression(node.parent) && node.parent.name === node)
    ) {
      const { module, name } = names.get(node.text)
      return entry(members[module], name) ?? node.text
    }
    if (ts.isObjectLiteralExpression(node)) {
      const printed = objects.map((rule) => rule(node, tools)).find((it) => it !== undefined)
      if (printed !== undefined) {
        return printed
      }
    }
    if (ts.isStringLiteral(node) && Object.hasOwn(tags, node.text)) {
      return JSON.stringify(tags[node.text])
    }
    if (ts.isPropertyAssignment(node) && ts.isIdentifier(node.name) && Object.hasOwn(optionNames, node.name.text)) {
      return `${optionNames[node.name.text]}: ${print(node.initializer)}`
    }
    if (ts.isPropertyAccessExpression(node)) {
      for (const { from, holds, to } of properties) {
        if (node.name.text === from && holds(node, tools)) {
          const object = print(node.expression)
          return `${object}${gap(node.expression.end, node.name.getStart(sourceFile))}${to}`
        }
      }
    }
    return printChildren(node)
  }

  const print = (node) => convert(node, printNode(node))

  const printImport = (node) => {
    const module = node.moduleSpecifier.text
    if (!isOfEffect(module)) {
      return printChildren(node)
    }
    const { isTypeOnly, namedBindings } = node.importClause
    const elements = namedBindings.elements.map((element) => {
      const to = entry(members[module], (element.propertyName ?? element.name).text)
      return `${element.isTypeOnly ? "type " : ""}${to ?? element.getText(sourceFile)}`
    })
    const to = modules[module] ?? module
    return `import ${isTypeOnly ? "type " : ""}{ ${elements.join(", ")} } from "${to}"`
  }

  // Namespace imports of Effect are printed last, once all their uses are known.
  const isNamespaceImport = (statement) =>
    ts.isImportDeclaration(statement) &&
    isOfEffect(statement.moduleSpecifier.text) &&
    statement.importClause?.namedBindings !== undefined &&
    ts.isNamespaceImport(statement.importClause.namedBindings)

  /** Imports with other names stay where they are. */
  const isRenamedImport = (statement) =>
    isNamespaceImport(statement) &&
    namespaceOf(statement.moduleSpecifier.text) !== statement.importClause.namedBindings.name.text

  let printed = ""
  let position = 0
  let importsAt
  for (const statement of sourceFile.statements) {
    const start = statement.getStart(sourceFile)
    printed += gap(position, start)
    if (isRenamedImport(statement)) {
      const module = statement.moduleSpecifier.text
      printed += text
        .slice(start, statement.moduleSpecifier.getStart(sourceFile))
        .concat(JSON.stringify(modules[module] ?? module))
      position = statement.end
    } else if (isNamespaceImport(statement)) {
      importsAt ??= printed.length
      position = text[statement.end] === "\n" ? statement.end + 1 : statement.end
    } else {
      importsAt ??= ts.isImportDeclaration(statement) ? printed.length : undefined
      printed += print(statement)
      position = statement.end
    }
  }
  printed += gap(position, text.length)
  const imports = [...used].map(
    ([module, isValue]) => `import ${isValue ? "" : "type "}* as ${namespaceOf(module)} from "${specifierOf(module)}"\n`
  )
  const at = importsAt ?? 0
  return printed.slice(0, at) + imports.join("") + printed.slice(at)
}
