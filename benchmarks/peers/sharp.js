// sharp, as many pictures at once as there are CPUs, one thread for each.
const fs = require('fs')
const path = require('path')
const sharp = require('sharp')

const [source, output, atOnce] = process.argv.slice(2)
sharp.concurrency(1)
sharp.cache(false)

const files = fs.readdirSync(source, { recursive: true, withFileTypes: true })
  .filter((entry) => !entry.isDirectory())
  .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))

async function work () {
  for (let file = files.pop(); file; file = files.pop()) {
    const name = path.relative(source, file)
    await sharp(file, { limitInputPixels: false, sequentialRead: true })
      .webp({ quality: 80, effort: 4 })
      .toFile(path.join(output, name + '.webp'))
  }
}

Promise.all(Array.from({ length: Number(atOnce) }, work)).catch((error) => {
  console.error(error)
  process.exit(1)
})
